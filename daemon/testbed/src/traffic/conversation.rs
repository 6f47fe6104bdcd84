//! A long-lived connection that can be exercised: the witness that nothing cut it, or that something did.

use std::collections::VecDeque;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::connect::open;
use crate::Namespace;

/// An open connection to a [`super::TcpEcho`].
///
/// TCP repeats what was lost, so words that met a drop may be echoed later. What is still owed is remembered:
/// an answer counts only when everything said so far has come back in order.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    owed: VecDeque<u8>,
}

impl Conversation {
    /// Connects from `from`.
    pub fn open(
        from: &Namespace,
        address: impl Into<IpAddr>,
        port: u16,
        timeout: Duration,
    ) -> io::Result<Self> {
        let stream = open(from, SocketAddr::new(address.into(), port), timeout)??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            owed: VecDeque::new(),
        })
    }

    /// The local address, whose port tells this connection's flows apart.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Says `words`; true if they, and all words before, were echoed within `timeout`. A connection that was
    /// reset or closed, or an echo that differs, is an error.
    pub fn say(&mut self, words: &[u8], timeout: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + timeout;
        self.stream.set_write_timeout(Some(timeout))?;
        self.stream.write_all(words)?;
        self.owed.extend(words);
        self.listen(deadline)
    }

    fn listen(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        while !self.owed.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Error::from(ErrorKind::UnexpectedEof)),
                Ok(length) => self.settle(&buffer[..length])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn settle(&mut self, heard: &[u8]) -> io::Result<()> {
        let same = heard.len() <= self.owed.len()
            && self.owed.drain(..heard.len()).eq(heard.iter().copied());
        if same {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidData,
            "the echo differs from what was said",
        ))
    }
}
