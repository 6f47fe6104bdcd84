//! One attempt on the wire: whether its packet reached the receiver, and its answer the sender.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use etherparse::PacketBuilder;
use flowd_abi::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
use flowd_policy::cases::Case;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, bind, connect, ipproto, recv,
    sendto, socket, sockopt,
};

use super::world::End;
use crate::traffic::ping;

/// ICMP types an honest `ping` can send.
const ECHO: [(u8, u16); 2] = [(ICMP, 8), (ICMPV6, 128)];

/// Makes the attempt from `source`, a port no other attempt uses: was it answered, or, where there is
/// no answer, did it arrive?
pub(super) fn attempt(
    case: &Case,
    [from, to]: &[End; 2],
    source: u16,
    patience: Duration,
) -> io::Result<bool> {
    let there = SocketAddr::new(to.address, case.port);
    let done = match case.protocol {
        TCP => from.namespace.run(|| handshake(source, there, patience))?,
        UDP => from.namespace.run(|| exchange(source, there, patience))?,
        protocol if ECHO.contains(&(protocol, case.port)) => {
            ping(&from.namespace, to.address, 1).map(|replies| replies == 1)
        }
        _ => arrives(case, [from, to], source, patience),
    };
    done.map_err(|error| io::Error::new(error.kind(), format!("case {}: {error}", case.id)))
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn open(like: IpAddr, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let family = match like {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    Ok(socket(family, kind, protocol)?)
}

fn handshake(source: u16, to: SocketAddr, patience: Duration) -> io::Result<bool> {
    let stream = open(to.ip(), SocketType::STREAM, None)?;
    bind(&stream, &SocketAddr::new(unspecified(to.ip()), source))?;
    sockopt::set_socket_timeout(&stream, sockopt::Timeout::Send, Some(patience))?;
    match connect(&stream, &to).map_err(io::Error::from) {
        Ok(()) => Ok(true),
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn exchange(source: u16, to: SocketAddr, patience: Duration) -> io::Result<bool> {
    let socket = UdpSocket::bind((unspecified(to.ip()), source))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(b"anybody there?")?;
    match socket.recv(&mut [0; 64]) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// A packet without an answer: raw sockets at both ends. A mark in the payload tells it apart.
fn arrives(
    case: &Case,
    [from, to]: [&End; 2],
    source: u16,
    patience: Duration,
) -> io::Result<bool> {
    let protocol = match case.protocol {
        ICMP => ipproto::ICMP,
        ICMPV6 => ipproto::ICMPV6,
        SCTP => ipproto::SCTP,
        other => {
            let line = format!("protocol {other} is not in the language of cases");
            return Err(io::Error::new(ErrorKind::InvalidInput, line));
        }
    };
    let mark = format!("flowd case {source}").into_bytes();
    let raw = |end: &End| {
        let opened = || open(to.address, SocketType::RAW, Some(protocol));
        end.namespace.run(opened)?
    };
    let (sender, receiver) = (raw(from)?, raw(to)?);
    let packet = match case.protocol {
        SCTP => sctp(case.port, source, &mark),
        _ => icmp(case, [from, to], source, &mark)?,
    };
    let there = SocketAddr::new(to.address, 0);
    sendto(&sender, &packet, SendFlags::empty(), &there)?;
    let until = Instant::now() + patience;
    let mut buffer = [0; 2048];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sockopt::set_socket_timeout(&receiver, sockopt::Timeout::Recv, Some(left))?;
        match recv(&receiver, &mut buffer, RecvFlags::empty()).map_err(io::Error::from) {
            Ok((length, _)) if contains(&buffer[..length], &mark) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// An ICMP message of any type. An error is about a datagram of the receiver's that nobody sent.
fn icmp(case: &Case, [from, to]: [&End; 2], source: u16, mark: &[u8]) -> io::Result<Vec<u8>> {
    let wrong = |what: String| io::Error::new(ErrorKind::InvalidInput, what);
    let kind =
        u8::try_from(case.port).map_err(|_| wrong(format!("{} is no ICMP type", case.port)))?;
    let mut packet = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    packet[4..6].copy_from_slice(&source.to_be_bytes());
    let is_error = match case.protocol {
        ICMP => [3, 5, 11, 12].contains(&kind),
        _ => kind < 128,
    };
    if is_error {
        let about = match (to.address, from.address) {
            (IpAddr::V4(to), IpAddr::V4(from)) => {
                PacketBuilder::ipv4(to.octets(), from.octets(), 64)
            }
            (IpAddr::V6(to), IpAddr::V6(from)) => {
                PacketBuilder::ipv6(to.octets(), from.octets(), 64)
            }
            mixed => return Err(wrong(format!("addresses of two families: {mixed:?}"))),
        };
        about
            .udp(source, 9)
            .write(&mut packet, mark)
            .map_err(|error| wrong(error.to_string()))?;
    } else {
        packet.extend_from_slice(mark);
    }
    if case.protocol == ICMP {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    Ok(packet)
}

/// The Internet checksum (RFC 1071). For ICMPv6 the kernel writes it.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// An SCTP packet whose first chunk opens an association.
fn sctp(port: u16, source: u16, mark: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(&port.to_be_bytes());
    packet.extend_from_slice(&[0; 8]);
    // INIT, its length, tag, window, streams and first number.
    packet.extend_from_slice(&[
        1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1,
    ]);
    packet.extend_from_slice(mark);
    packet
}
