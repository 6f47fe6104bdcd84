//! ICMP echo, by the `ping` program.

use std::io::{self, Error};
use std::net::IpAddr;
use std::process::Stdio;

use crate::Namespace;

/// Sends `count` echo requests from `from`, 50 ms apart, and says how many replies came back.
///
/// The last one is waited for one second.
pub fn ping(from: &Namespace, address: impl Into<IpAddr>, count: u32) -> io::Result<u32> {
    let address = address.into();
    let output = from
        .command("ping")
        .args([
            "-n",
            "-q",
            "-i",
            "0.05",
            "-W",
            "1",
            "-c",
            &count.to_string(),
        ])
        .arg(address.to_string())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    received(&said).ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Error::other(format!(
            "ping {address} did not run: {} {}",
            said.trim(),
            complaint.trim()
        ))
    })
}

/// Reads the count out of `3 packets transmitted, 2 received, 33% packet loss`.
fn received(said: &str) -> Option<u32> {
    let line = said
        .lines()
        .find(|line| line.contains("packets transmitted"))?;
    let field = line.split(',').find(|field| field.contains("received"))?;
    field.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::received;

    #[test]
    fn the_summary_line_is_read_with_and_without_errors() {
        assert_eq!(
            received("3 packets transmitted, 2 received, 33% packet loss, time 3ms"),
            Some(2)
        );
        let errors = "2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 3ms";
        assert_eq!(received(errors), Some(0));
        assert_eq!(received("connect: Network is unreachable"), None);
    }
}
