//! TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260) and the way to ICMP.

use flowd_abi::{DropReason, protocol};

use super::{Datagram, Fragment, Parsed, Transport, TransportKind, Version, icmp};
use crate::packet::{Aligned, Packet};

const TCP_HEADER: u32 = 20;
const UDP_HEADER: u32 = 8;
const SCTP_HEADER: u32 = 12;

/// Reads the transport header of a whole datagram or of a first fragment.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, datagram: &Datagram, transport: &mut Transport) -> Parsed<()> {
    *transport = Transport::default();
    match kind(datagram, 0) {
        TransportKind::Ports => match datagram.protocol {
            protocol::TCP => tcp(packet, datagram, transport),
            protocol::SCTP => ports(packet, datagram, SCTP_HEADER, transport),
            _ => ports(packet, datagram, UDP_HEADER, transport),
        },
        TransportKind::Unsupported => {
            transport.kind = TransportKind::Unsupported;
            Ok(())
        }
        TransportKind::Query
        | TransportKind::Answer
        | TransportKind::Error
        | TransportKind::OneWay => icmp::parse(packet, datagram, transport),
    }
}

/// How a datagram's payload is tracked; ICMP only counts under the IP version it belongs to.
#[inline(always)]
pub fn kind(datagram: &Datagram, icmp_type: u8) -> TransportKind {
    match (datagram.protocol, datagram.version) {
        (protocol::TCP | protocol::UDP | protocol::SCTP, _) => TransportKind::Ports,
        (protocol::ICMP, Version::V4) | (protocol::ICMPV6, Version::V6) => {
            icmp::kind(datagram.protocol, icmp_type)
        }
        _ => TransportKind::Unsupported,
    }
}

/// Whether a later fragment could overlay the transport header (RFC 3128).
#[inline(always)]
pub fn overlays_header(datagram: &Datagram) -> bool {
    let Fragment::Later { offset, .. } = datagram.fragment else {
        return false;
    };
    let header = match datagram.protocol {
        protocol::TCP => TCP_HEADER,
        protocol::SCTP => SCTP_HEADER,
        _ => UDP_HEADER,
    };
    offset < header
}

#[inline(always)]
fn tcp<P: Packet>(packet: &P, datagram: &Datagram, transport: &mut Transport) -> Parsed<()> {
    let Some(header) = packet.read::<14>(datagram.payload) else {
        return Err(DropReason::Malformed);
    };
    let header = &header.0;
    let header_length = u32::from(header[12] >> 4) * 4;
    if header_length < TCP_HEADER || datagram.payload + header_length > datagram.end {
        return Err(DropReason::Malformed);
    }
    transport.source_port = u16::from_be_bytes([header[0], header[1]]);
    transport.destination_port = u16::from_be_bytes([header[2], header[3]]);
    transport.tcp_flags = header[13];
    Ok(())
}

#[inline(always)]
fn ports<P: Packet>(
    packet: &P,
    datagram: &Datagram,
    header_length: u32,
    transport: &mut Transport,
) -> Parsed<()> {
    let Some(Aligned([s0, s1, d0, d1])) = packet.read::<4>(datagram.payload) else {
        return Err(DropReason::Malformed);
    };
    if datagram.payload + header_length > datagram.end {
        return Err(DropReason::Malformed);
    }
    transport.source_port = u16::from_be_bytes([s0, s1]);
    transport.destination_port = u16::from_be_bytes([d0, d1]);
    Ok(())
}
