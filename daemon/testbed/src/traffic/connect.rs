//! One TCP handshake and what became of it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Namespace;

/// What the network made of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handshake completed.
    Connected,
    /// The other side answered with a reset: packets pass, nobody listens.
    Refused,
    /// Nothing came back in time: what a silent drop looks like.
    TimedOut,
    /// A router or the own host said there is no way.
    Unreachable,
}

impl Outcome {
    /// Whether the handshake completed.
    pub fn is_connected(self) -> bool {
        self == Self::Connected
    }
}

/// Tries one handshake from `from`.
pub fn tcp_connect(
    from: &Namespace,
    address: impl Into<IpAddr>,
    port: u16,
    timeout: Duration,
) -> io::Result<Outcome> {
    let to = SocketAddr::new(address.into(), port);
    from.run(|| attempt(to, timeout))?
}

/// Tries one handshake from the namespace of the calling thread.
pub(super) fn attempt(to: SocketAddr, timeout: Duration) -> io::Result<Outcome> {
    TcpStream::connect_timeout(&to, timeout).map_or_else(outcome, |_| Ok(Outcome::Connected))
}

/// Opens a connection; the inner result is what the network said.
pub(super) fn open(
    from: &Namespace,
    to: SocketAddr,
    timeout: Duration,
) -> io::Result<io::Result<TcpStream>> {
    from.run(|| TcpStream::connect_timeout(&to, timeout))
}

/// Sorts a failed attempt: a verdict of the network, or a failure to try.
pub(super) fn outcome(error: io::Error) -> io::Result<Outcome> {
    let verdicts = [
        (ErrorKind::ConnectionRefused, Outcome::Refused),
        (ErrorKind::ConnectionReset, Outcome::Refused),
        (ErrorKind::TimedOut, Outcome::TimedOut),
        (ErrorKind::WouldBlock, Outcome::TimedOut),
        (ErrorKind::HostUnreachable, Outcome::Unreachable),
        (ErrorKind::NetworkUnreachable, Outcome::Unreachable),
    ];
    let verdict = verdicts.into_iter().find(|(kind, _)| *kind == error.kind());
    verdict.map(|(_, outcome)| outcome).ok_or(error)
}
