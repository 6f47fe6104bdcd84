//! Packets out of random bytes: few addresses, few ports, every kind of message, so that sequences
//! of them meet again and again.

use std::net::IpAddr;

use flowd_abi::Direction;

use super::{
    frame::{ACK, FIN, Ip, RST, SYN, ip},
    world::{DENIED, DNS, Family, NEVER, NTP, RANGE, TLS, UNNAMED, WEB},
};

/// The bytes a packet is chosen by.
pub type Choice = [u8; 8];

const SERVICES: [u16; 8] = [WEB, DNS, DENIED, RANGE + 3, TLS, NTP, NEVER, UNNAMED];
const FLAGS: [u8; 8] = [SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, SYN | RST, 0];

/// What kind of message was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Udp,
    Sctp,
    Ping,
    Pong,
    /// An error about a packet between the same two.
    Unreachable,
    /// Another ICMP message.
    Message,
    /// A protocol policies cannot name.
    Foreign,
}

/// A chosen packet.
#[derive(Clone, Debug)]
pub struct Picked {
    pub direction: Direction,
    pub family: Family,
    pub peer: IpAddr,
    pub kind: Kind,
    /// Ports of the message, or of the one an error quotes.
    pub local_port: u16,
    pub remote_port: u16,
    pub flags: u8,
    /// Protocol of the message, or of the one an error quotes.
    pub protocol: u8,
    pub packet: Ip,
}

impl Picked {
    pub fn frame(&self) -> Vec<u8> {
        self.packet.frame(self.direction == Direction::Egress)
    }

    pub fn is_whole(&self) -> bool {
        self.packet.part.is_none()
    }
}

/// The packet of these bytes.
pub fn pick(choice: Choice) -> Picked {
    let [who, kind, ports, service, flags, part, dress, quote] = choice;
    let family = Family::BOTH[usize::from(who >> 2 & 1)];
    let direction = Direction::ALL[usize::from(who >> 3 & 1)];
    let peer = [
        family.friend(),
        family.stranger(),
        family.classed(),
        family.outside(),
    ][usize::from(who & 3)];
    let kind = pick_kind(kind);
    let client = 40_000 + u16::from(ports & 1);
    let service = SERVICES[usize::from(service % 8)];
    let (local_port, remote_port) = if ports & 2 == 0 {
        (client, service)
    } else {
        (service, client)
    };
    let flags = FLAGS[usize::from(flags % 8)];
    let ends = match direction {
        Direction::Egress => (family.workload(), peer, local_port, remote_port),
        Direction::Ingress => (peer, family.workload(), remote_port, local_port),
    };
    let whole = message(kind, ends, flags, quote);
    let protocol = match kind {
        Kind::Unreachable => quoted(ends, quote).protocol,
        Kind::Tcp
        | Kind::Udp
        | Kind::Sctp
        | Kind::Ping
        | Kind::Pong
        | Kind::Message
        | Kind::Foreign => whole.protocol,
    };
    Picked {
        direction,
        family,
        peer,
        kind,
        local_port,
        remote_port,
        flags,
        protocol,
        packet: dressed(fragmented(whole, part), dress),
    }
}

fn pick_kind(byte: u8) -> Kind {
    match byte % 16 {
        0..6 => Kind::Tcp,
        6..9 => Kind::Udp,
        9 => Kind::Sctp,
        10 => Kind::Ping,
        11 => Kind::Pong,
        12 | 13 => Kind::Unreachable,
        14 => Kind::Message,
        _ => Kind::Foreign,
    }
}

/// Source, destination, source port, destination port.
type Ends = (IpAddr, IpAddr, u16, u16);

fn message(kind: Kind, ends: Ends, flags: u8, quote: u8) -> Ip {
    let (source, destination, source_port, destination_port) = ends;
    let packet = ip(source, destination);
    match kind {
        Kind::Tcp => packet.tcp(source_port, destination_port, flags),
        Kind::Udp => packet.udp(source_port, destination_port),
        Kind::Sctp => packet.sctp(source_port, destination_port),
        Kind::Ping => packet.ping(u16::from(quote % 2)),
        Kind::Pong => packet.pong(u16::from(quote % 2)),
        Kind::Unreachable => packet.unreachable(&quoted(ends, quote)),
        Kind::Message => packet.icmp([13, 5, 137, 200][usize::from(quote % 4)], quote % 2, 1),
        Kind::Foreign => packet.raw(47, vec![0; 16]),
    }
}

/// The packet an error between these ends quotes: it ran the other way.
fn quoted(ends: Ends, quote: u8) -> Ip {
    let (source, destination, source_port, destination_port) = ends;
    let packet = ip(destination, source);
    if quote.is_multiple_of(2) {
        packet.tcp(destination_port, source_port, ACK)
    } else {
        packet.udp(destination_port, source_port)
    }
}

fn fragmented(packet: Ip, part: u8) -> Ip {
    let id = u32::from(part % 3);
    match part >> 4 {
        0 => packet.part(id, 0, true),
        1 => {
            let protocol = packet.protocol;
            packet
                .raw(protocol, vec![0; 24])
                .part(id, u16::from(part & 3), false)
        }
        _ => packet,
    }
}

fn dressed(packet: Ip, dress: u8) -> Ip {
    let packet = match dress % 16 {
        0 => packet.tagged(0x8100),
        1 => packet.tagged(0x88a8).tagged(0x8100),
        2 => packet.options(&[1, 1, 1, 0]),
        3 => packet.extension(0),
        4 => packet.extension(60).extension(43),
        _ => packet,
    };
    packet.hop_limit(if dress & 0x80 == 0 { 64 } else { 255 })
}
