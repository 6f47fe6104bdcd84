//! ICMP (RFC 792, RFC 950) and ICMPv6 (RFC 4443, RFC 4861).

use flowd_abi::{DropReason, protocol};

use super::{Datagram, Fragment, Parsed, Transport, TransportKind, Version, ipv4, ipv6};
use crate::packet::{Aligned, Packet};

const HEADER: u32 = 8;

/// How a message of this type is tracked. Echo is the only query: a connection's key does not hold
/// the type, and what allows one query must not carry another (timestamp, address mask), nor may
/// policies that name them be asked only once.
#[inline(always)]
pub fn kind(protocol: u8, icmp_type: u8) -> TransportKind {
    if protocol == protocol::ICMP {
        match icmp_type {
            8 => TransportKind::Query,
            0 => TransportKind::Answer,
            // Unreachable, source quench, time exceeded, parameter problem.
            3 | 4 | 11 | 12 => TransportKind::Error,
            _ => TransportKind::OneWay,
        }
    } else {
        match icmp_type {
            128 => TransportKind::Query,
            129 => TransportKind::Answer,
            // Types below 128 are errors (RFC 4443, section 2.1).
            0..128 => TransportKind::Error,
            _ => TransportKind::OneWay,
        }
    }
}

/// Whether a query or an answer of this type is the query: echo, of either version.
#[inline(always)]
pub fn asks(icmp_type: u8) -> bool {
    icmp_type == 8 || icmp_type == 128
}

/// Reads an ICMP or ICMPv6 header.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, datagram: &Datagram, transport: &mut Transport) -> Parsed<()> {
    let Some(Aligned([icmp_type, icmp_code, _, _, id_high, id_low, _, _])) =
        packet.read::<8>(datagram.payload)
    else {
        return Err(DropReason::Malformed);
    };
    if datagram.payload + HEADER > datagram.end {
        return Err(DropReason::Malformed);
    }
    transport.source_port = u16::from_be_bytes([id_high, id_low]);
    transport.icmp_type = icmp_type;
    transport.icmp_code = icmp_code;
    transport.kind = kind(datagram.protocol, icmp_type);
    Ok(())
}

/// Whether this is what a link needs to work at all (RFC 4890, section 4.4.1): neighbour discovery
/// (RFC 4861: router and neighbour solicitation and advertisement), which only counts when it
/// cannot have crossed a router (hop limit 255), and multicast listener messages (RFC 3810), which
/// cannot leave the link (hop limit 1, link-local or no source). Neither is ever fragmented (RFC 6980).
#[inline(always)]
pub fn is_neighbour_discovery(datagram: &Datagram, transport: &Transport) -> bool {
    if datagram.protocol != protocol::ICMPV6 || datagram.fragment != Fragment::Whole {
        return false;
    }
    match transport.icmp_type {
        133..=136 => datagram.hop_limit == 255,
        130..=132 | 143 => {
            let source = &datagram.source;
            datagram.hop_limit == 1 && (source.is_link_local_v6() || source.is_unspecified_v6())
        }
        _ => false,
    }
}

/// Reads the datagram an ICMP error quotes, with its ports: enough to find its connection. `false`
/// when too little is quoted, or it is itself an ICMP error.
#[inline(always)]
pub fn quoted<P: Packet>(
    packet: &P,
    error: &Datagram,
    inner: &mut Datagram,
    transport: &mut Transport,
) -> bool {
    let offset = error.payload + HEADER;
    // An error quotes a packet cut short: its lengths are not checked against the quote's end.
    let read = match error.version {
        Version::V4 => ipv4::parse(&Quote(packet), offset, inner),
        Version::V6 => ipv6::parse(&Quote(packet), offset, inner),
    };
    if read.is_err() || matches!(inner.fragment, Fragment::Later { .. }) {
        return false;
    }
    let Some(Aligned([a, b, c, d, id_high, id_low, _, _])) = packet.read::<8>(inner.payload) else {
        return false;
    };
    *transport = Transport::default();
    match super::transport::kind(inner, a) {
        TransportKind::Ports => {
            transport.source_port = u16::from_be_bytes([a, b]);
            transport.destination_port = u16::from_be_bytes([c, d]);
            true
        }
        kind @ (TransportKind::Query | TransportKind::Answer) => {
            transport.kind = kind;
            transport.icmp_type = a;
            transport.source_port = u16::from_be_bytes([id_high, id_low]);
            true
        }
        TransportKind::Error | TransportKind::OneWay | TransportKind::Unsupported => false,
    }
}

/// A packet whose end is unknown.
struct Quote<'a, P>(&'a P);

impl<P: Packet> Packet for Quote<'_, P> {
    #[inline(always)]
    fn length(&self) -> u32 {
        u32::MAX
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<Aligned<N>> {
        self.0.read(offset)
    }
}
