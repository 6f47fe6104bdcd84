//! As much HTTP/1.1 as a shop of test pods speaks: one GET, one answer, connection closed.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::connect::{Outcome, open, outcome};
use crate::Namespace;

/// Bytes of a request head or an answer that are read at most.
const MOST_BYTES: u64 = 256 * 1024;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Gets `http://address:port/path` from `from`. The inner `Err` is what the network made of the connection.
pub fn http_get(
    from: &Namespace,
    address: impl Into<IpAddr>,
    port: u16,
    path: &str,
    timeout: Duration,
) -> io::Result<Result<HttpResponse, Outcome>> {
    let to = SocketAddr::new(address.into(), port);
    match open(from, to, timeout)?.and_then(|stream| get_over(stream, to, path, timeout)) {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => outcome(error).map(Err),
    }
}

/// Speaks one GET on an open connection.
pub(crate) fn get_over(
    mut stream: TcpStream,
    to: SocketAddr,
    path: &str,
    timeout: Duration,
) -> io::Result<HttpResponse> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    parse(&answer)
}

/// Answers the request that begins with `beginning`, then closes.
pub(super) fn answer(mut stream: TcpStream, beginning: &[u8]) -> io::Result<()> {
    let mut head = beginning.to_vec();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 || head.len() as u64 > MOST_BYTES {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..length]);
    }
    let body = format!(
        "hello {}, this is {}\n",
        stream.peer_addr()?.ip(),
        stream.local_addr()?
    );
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn parse(answer: &[u8]) -> io::Result<HttpResponse> {
    // Nothing at all is a connection that was closed under us, not a bad answer.
    if answer.is_empty() {
        return Err(Error::from(ErrorKind::ConnectionReset));
    }
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .strip_prefix("HTTP/1.")
        .and_then(|rest| {
            rest.split(' ')
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidData,
                format!("not an HTTP answer: {head:.80}"),
            )
        })?;
    Ok(HttpResponse {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_and_body() {
        let answer = parse(b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nnot yet\n").unwrap();
        assert_eq!(
            answer,
            HttpResponse {
                status: 503,
                body: "not yet\n".to_owned()
            }
        );
        assert_eq!(parse(b"HTTP/1.0 200\r\n\r\n").unwrap().status, 200);
    }

    #[test]
    fn noise_is_not_an_answer() {
        assert_eq!(parse(b"hello").unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(parse(b"").unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
