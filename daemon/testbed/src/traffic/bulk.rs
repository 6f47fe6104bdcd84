//! Much traffic, counted: floods of distinct flows, many short connections, one fat stream.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::connect::{Outcome, attempt, open};
use super::udp::unspecified;
use crate::Namespace;

/// What a flood put on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the sender's kernel took.
    pub packets: u64,
    /// Payload bytes in them.
    pub bytes: u64,
    /// Datagrams the sender's kernel refused, for want of room for example.
    pub refused: u64,
}

/// A flood of UDP datagrams over `sockets` source ports × `ports`, each pair once before any comes again.
#[derive(Clone, Debug)]
pub struct UdpFlood {
    /// Where to.
    pub target: IpAddr,
    /// Destination ports.
    pub ports: RangeInclusive<u16>,
    /// Source ports, given by the kernel.
    pub sockets: u16,
    /// Payload bytes of each datagram.
    pub payload: usize,
}

impl UdpFlood {
    /// Distinct flows this flood can make.
    pub fn flows(&self) -> u64 {
        self.ports.len() as u64 * u64::from(self.sockets)
    }

    /// Sends `count` datagrams from `from` and waits for no answer.
    pub fn send(&self, from: &Namespace, count: u64) -> io::Result<Sent> {
        let any = unspecified(SocketAddr::new(self.target, 0));
        let sockets = from.run(|| {
            (0..self.sockets)
                .map(|_| UdpSocket::bind(any))
                .collect::<io::Result<Vec<_>>>()
        })??;
        let payload = vec![0x66; self.payload];
        let mut sent = Sent::default();
        let pairs = sockets
            .iter()
            .flat_map(|socket| self.ports.clone().map(move |port| (socket, port)));
        let mut round = pairs.clone();
        for _ in 0..count {
            let Some((socket, port)) = round.next().or_else(|| {
                round = pairs.clone();
                round.next()
            }) else {
                break;
            };
            match socket.send_to(&payload, (self.target, port)) {
                Ok(length) => {
                    sent.packets += 1;
                    sent.bytes += length as u64;
                }
                Err(error) if is_passing(&error) => sent.refused += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

/// No buffer, or an unreachable of an earlier datagram: not a reason to stop a flood.
fn is_passing(error: &io::Error) -> bool {
    let no_room = error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error());
    no_room
        || matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
        )
}

/// Outcomes of many attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handshakes completed.
    pub connected: u64,
    /// Answered with a reset.
    pub refused: u64,
    /// Not answered.
    pub timed_out: u64,
    /// Answered with an unreachable.
    pub unreachable: u64,
}

impl Tally {
    /// Counts one outcome.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Connected => self.connected += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::TimedOut => self.timed_out += 1,
            Outcome::Unreachable => self.unreachable += 1,
        }
    }
}

/// Opens and closes `count` connections, one after another.
pub fn tcp_connections(
    from: &Namespace,
    address: impl Into<IpAddr>,
    port: u16,
    count: u64,
    timeout: Duration,
) -> io::Result<Tally> {
    let to = SocketAddr::new(address.into(), port);
    from.run(|| {
        let mut tally = Tally::default();
        for _ in 0..count {
            tally.add(attempt(to, timeout)?);
        }
        Ok(tally)
    })?
}

/// Sends `bytes` to a [`super::TcpEcho`] on one connection and says how many came back.
pub fn tcp_stream(
    from: &Namespace,
    address: impl Into<IpAddr>,
    port: u16,
    bytes: u64,
    timeout: Duration,
) -> io::Result<u64> {
    let stream = open(from, SocketAddr::new(address.into(), port), timeout)??;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let (mut sending, hearing) = (stream.try_clone()?, stream);
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let mut source = io::repeat(0x66).take(bytes);
            io::copy(&mut source, &mut sending)?;
            sending.flush()?;
            sending.shutdown(Shutdown::Write)
        });
        let heard = io::copy(&mut hearing.take(bytes), &mut io::sink());
        sender
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        heard
    })
}
