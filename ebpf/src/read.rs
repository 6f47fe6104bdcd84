//! From a packet to its facts and the key it is looked up by.

use flowd_abi::{
    ConnectionKey, Direction, DropReason, FragmentHead, FragmentKey, connection::KeyKind,
};

use crate::{
    packet::{Aligned, Facts, Headers, Packet, Scene},
    parse::{
        Datagram, Fragment, Parsed, Transport, TransportKind, ethernet, icmp, ipv4, ipv6, transport,
    },
    tables::Tables,
};

/// What kind of thing a packet is to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// ARP or neighbour discovery.
    Neighbour,
    /// A message of a connection, or the one that opens it.
    Message,
    /// The answer to an ICMP query.
    Answer,
    /// An ICMP error.
    Error,
    /// A protocol that policies cannot name.
    Unsupported,
}

/// Reads a packet, filling the facts as far as it can be read.
#[inline(always)]
pub fn read<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    facts: &mut Facts,
    headers: &mut Headers,
) -> Parsed<Subject> {
    let Headers {
        head,
        datagram,
        transport,
        ..
    } = headers;
    network(packet, head, facts, datagram)?;
    if facts.ethertype == ethernet::ARP {
        return Ok(Subject::Neighbour);
    }
    place(&mut facts.key, scene.direction, datagram);
    facts.addressed = true;
    match datagram.fragment {
        Fragment::Whole => transport::parse(packet, datagram, transport)?,
        Fragment::Head { id } => {
            transport::parse(packet, datagram, transport)?;
            remember(tables, scene, datagram, id, transport);
        }
        Fragment::Later { id, .. } => {
            if transport::overlays_header(datagram) {
                return Err(DropReason::Malformed);
            }
            recall(tables, scene, datagram, id, transport)?;
        }
    }
    if icmp::is_neighbour_discovery(datagram, transport) {
        return Ok(Subject::Neighbour);
    }
    fill(facts, scene, datagram, transport);
    Ok(match transport.kind {
        TransportKind::Ports | TransportKind::Query | TransportKind::OneWay => Subject::Message,
        TransportKind::Answer => Subject::Answer,
        TransportKind::Error => Subject::Error,
        TransportKind::Unsupported => Subject::Unsupported,
    })
}

/// Reads the headers up to the network's. Most frames have no tag and are long enough: one read
/// takes both their headers.
///
/// Not inlined: whichever way a packet was read, the verifier sees what follows once.
#[inline(never)]
fn network<P: Packet>(
    packet: &P,
    head: &mut Aligned<56>,
    facts: &mut Facts,
    datagram: &mut Datagram,
) -> Parsed<()> {
    if packet.head(head)
        && let Some(link) = head.0[2..].first_chunk::<14>()
        && let Some(header) = head.0[16..].first_chunk::<40>()
    {
        facts.ethertype = ethernet::ethertype(link);
        ethernet::addresses(link, &mut facts.macs);
        match facts.ethertype {
            ethernet::IPV4 => return ipv4::fields(packet, ethernet::HEADER, header, datagram),
            ethernet::IPV6 => return ipv6::fields(packet, ethernet::HEADER, header, datagram),
            _ => {}
        }
    }
    let frame = ethernet::parse(packet, &mut facts.macs)?;
    facts.ethertype = frame.ethertype;
    match frame.ethertype {
        ethernet::IPV4 => ipv4::parse(packet, frame.payload, datagram),
        ethernet::IPV6 => ipv6::parse(packet, frame.payload, datagram),
        ethernet::ARP => Ok(()),
        other => {
            facts.key.remote_port = other;
            Err(DropReason::UnsupportedEthertype)
        }
    }
}

#[inline(always)]
fn place(key: &mut ConnectionKey, direction: Direction, datagram: &Datagram) {
    match direction {
        Direction::Egress => {
            key.local = datagram.source;
            key.remote = datagram.destination;
        }
        Direction::Ingress => {
            key.local = datagram.destination;
            key.remote = datagram.source;
        }
    }
    key.protocol = datagram.protocol;
}

#[inline(always)]
fn fill(facts: &mut Facts, scene: &Scene, datagram: &Datagram, transport: &Transport) {
    key(&mut facts.key, scene.direction, datagram, transport);
    facts.tcp_flags = transport.tcp_flags;
    facts.icmp_type = transport.icmp_type;
    facts.icmp_code = transport.icmp_code;
    facts.policy_port = match transport.kind {
        TransportKind::Ports | TransportKind::Unsupported => transport.destination_port,
        TransportKind::Query
        | TransportKind::Answer
        | TransportKind::Error
        | TransportKind::OneWay => u16::from(transport.icmp_type),
    };
}

/// Fills a key from a packet that runs in `direction`.
#[inline(always)]
pub fn key(
    key: &mut ConnectionKey,
    direction: Direction,
    datagram: &Datagram,
    transport: &Transport,
) {
    place(key, direction, datagram);
    let message = u16::from_be_bytes([transport.icmp_type, transport.icmp_code]);
    let (kind, from_source, from_destination) = match transport.kind {
        TransportKind::Ports | TransportKind::Unsupported => (
            KeyKind::Ports,
            transport.source_port,
            transport.destination_port,
        ),
        TransportKind::Query => (KeyKind::Query, transport.source_port, 0),
        TransportKind::Answer => (KeyKind::Query, 0, transport.source_port),
        TransportKind::Error | TransportKind::OneWay => (KeyKind::OneWay, message, 0),
    };
    key.kind = kind as u8;
    match direction {
        Direction::Egress => {
            key.local_port = from_source;
            key.remote_port = from_destination;
        }
        Direction::Ingress => {
            key.local_port = from_destination;
            key.remote_port = from_source;
        }
    }
}

/// Rewrites the key of an ICMP answer nobody asked for.
#[inline(always)]
pub fn one_way(scene: &Scene, facts: &mut Facts) {
    let message = u16::from_be_bytes([facts.icmp_type, facts.icmp_code]);
    facts.key.kind = KeyKind::OneWay as u8;
    match scene.direction {
        Direction::Egress => {
            facts.key.local_port = message;
            facts.key.remote_port = 0;
        }
        Direction::Ingress => {
            facts.key.local_port = 0;
            facts.key.remote_port = message;
        }
    }
}

#[inline(always)]
fn fragment_key(scene: &Scene, datagram: &Datagram, id: u32) -> FragmentKey {
    FragmentKey {
        endpoint: scene.endpoint.id,
        id,
        source: datagram.source,
        destination: datagram.destination,
        protocol: datagram.protocol,
        direction: scene.direction as u8,
        pad: [0; 2],
    }
}

#[inline(always)]
fn remember<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    datagram: &Datagram,
    id: u32,
    transport: &Transport,
) {
    let head = FragmentHead {
        seen: scene.now,
        source_port: transport.source_port,
        destination_port: transport.destination_port,
        icmp_type: transport.icmp_type,
        icmp_code: transport.icmp_code,
        pad: [0; 2],
    };
    tables.put_fragment(&fragment_key(scene, datagram, id), &head);
}

#[inline(always)]
fn recall<T: Tables>(
    tables: &T,
    scene: &Scene,
    datagram: &Datagram,
    id: u32,
    transport: &mut Transport,
) -> Parsed<()> {
    let Some(head) = tables.fragment(&fragment_key(scene, datagram, id)) else {
        return Err(DropReason::FragmentWithoutHead);
    };
    if scene.now.saturating_sub(head.seen) >= tables.timeouts().fragment {
        return Err(DropReason::FragmentWithoutHead);
    }
    *transport = Transport {
        source_port: head.source_port,
        destination_port: head.destination_port,
        tcp_flags: 0,
        icmp_type: head.icmp_type,
        icmp_code: head.icmp_code,
        kind: transport::kind(datagram, head.icmp_type),
    };
    Ok(())
}
