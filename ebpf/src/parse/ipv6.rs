//! IPv6 with extension headers (RFC 8200).

use flowd_abi::DropReason;

use super::{Datagram, Fragment, Parsed, Version};
use crate::packet::{Aligned, Packet};

/// Extension headers followed at most; real traffic carries one or two.
const MAX_EXTENSIONS: u32 = 4;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Reads the header at `offset` and the extension headers behind it.
///
/// Not inlined: its frame must not add to that of the program, which uses it twice.
#[inline(never)]
pub fn parse<P: Packet>(packet: &P, offset: u32, datagram: &mut Datagram) -> Parsed<()> {
    let Some(header) = packet.read::<40>(offset) else {
        return Err(DropReason::Malformed);
    };
    fields(packet, offset, &header.0, datagram)
}

/// Reads the header that was found at `offset`, and the extension headers behind it.
#[inline(always)]
pub fn fields<P: Packet>(
    packet: &P,
    offset: u32,
    header: &[u8; 40],
    datagram: &mut Datagram,
) -> Parsed<()> {
    fixed(packet, offset, header, datagram)?;
    if is_extension(datagram.protocol) {
        extensions(packet, datagram)?;
    }
    Ok(())
}

/// Steps over the extension headers. Not inlined: few packets have any.
#[inline(never)]
fn extensions<P: Packet>(packet: &P, datagram: &mut Datagram) -> Parsed<()> {
    for _ in 0..MAX_EXTENSIONS {
        extension(packet, datagram)?;
        if matches!(datagram.fragment, Fragment::Later { .. }) || !is_extension(datagram.protocol) {
            return Ok(());
        }
    }
    Err(DropReason::ExtensionHeader)
}

#[inline(always)]
fn fixed<P: Packet>(
    packet: &P,
    offset: u32,
    header: &[u8; 40],
    datagram: &mut Datagram,
) -> Parsed<()> {
    if header[0] >> 4 != 6 {
        return Err(DropReason::Malformed);
    }
    let payload_length = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let available = packet.length();
    // A payload length of 0 is a jumbogram (RFC 2675) or an offload packet of over 64 KiB.
    datagram.end = if payload_length == 0 {
        available
    } else {
        offset + 40 + payload_length
    };
    if datagram.end > available {
        return Err(DropReason::Malformed);
    }
    datagram.version = Version::V6;
    // In words: see `crate::packet::Aligned`.
    datagram.source.0[..8].copy_from_slice(&header[8..16]);
    datagram.source.0[8..].copy_from_slice(&header[16..24]);
    datagram.destination.0[..8].copy_from_slice(&header[24..32]);
    datagram.destination.0[8..].copy_from_slice(&header[32..]);
    datagram.protocol = header[6];
    datagram.hop_limit = header[7];
    datagram.payload = offset + 40;
    datagram.fragment = Fragment::Whole;
    Ok(())
}

#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY
    )
}

/// Steps over one extension header.
#[inline(always)]
fn extension<P: Packet>(packet: &P, datagram: &mut Datagram) -> Parsed<()> {
    let Some(Aligned(header)) = packet.read::<8>(datagram.payload) else {
        return Err(DropReason::Malformed);
    };
    let length = match datagram.protocol {
        FRAGMENT => {
            let field = u16::from_be_bytes([header[2], header[3]]);
            let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let offset = u32::from(field & 0xfff8);
            if offset > 0 {
                datagram.fragment = Fragment::Later { id, offset };
            } else if field & 1 != 0 {
                datagram.fragment = Fragment::Head { id };
            }
            8
        }
        AUTHENTICATION => (u32::from(header[1]) + 2) * 4,
        _ => (u32::from(header[1]) + 1) * 8,
    };
    datagram.protocol = header[0];
    datagram.payload += length;
    if datagram.payload > datagram.end {
        return Err(DropReason::Malformed);
    }
    Ok(())
}
