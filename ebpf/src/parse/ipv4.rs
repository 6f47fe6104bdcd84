//! IPv4 with options (RFC 791).

use flowd_abi::{Address, DropReason};

use super::{Datagram, Fragment, Parsed, Version};
use crate::packet::Packet;

/// Reads the header at `offset`.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, offset: u32, datagram: &mut Datagram) -> Parsed<()> {
    let Some(header) = packet.read::<20>(offset) else {
        return Err(DropReason::Malformed);
    };
    fields(packet, offset, &header.0, datagram)
}

/// Reads the header that was found at `offset`; what is behind its twenty bytes is not looked at.
#[inline(always)]
pub fn fields<P: Packet>(
    packet: &P,
    offset: u32,
    header: &[u8],
    datagram: &mut Datagram,
) -> Parsed<()> {
    let header_length = u32::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_length < 20 {
        return Err(DropReason::Malformed);
    }
    datagram.end = end(packet, offset, header_length, header)?;
    datagram.version = Version::V4;
    map(&mut datagram.source, &header[12..16]);
    map(&mut datagram.destination, &header[16..20]);
    datagram.protocol = header[9];
    datagram.hop_limit = header[8];
    datagram.payload = offset + header_length;
    datagram.fragment = fragment(header);
    Ok(())
}

/// Writes the v4-mapped form of an address, in words: see [`crate::packet::Aligned`].
#[inline(always)]
fn map(address: &mut Address, bytes: &[u8]) {
    address.0[..8].copy_from_slice(&0u64.to_ne_bytes());
    address.0[8..12].copy_from_slice(&[0, 0, 0xff, 0xff]);
    address.0[12..].copy_from_slice(bytes);
}

/// A total length of 0 is a segmentation-offload packet of over 64 KiB (kernel, "BIG TCP").
#[inline(always)]
fn end<P: Packet>(packet: &P, offset: u32, header_length: u32, header: &[u8]) -> Parsed<u32> {
    let total = u32::from(u16::from_be_bytes([header[2], header[3]]));
    let available = packet.length();
    let end = if total == 0 {
        available
    } else {
        offset + total
    };
    if end > available || end < offset + header_length {
        return Err(DropReason::Malformed);
    }
    Ok(end)
}

#[inline(always)]
fn fragment(header: &[u8]) -> Fragment {
    let field = u16::from_be_bytes([header[6], header[7]]);
    let more = field & 0x2000 != 0;
    let offset = u32::from(field & 0x1fff) * 8;
    let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
    if offset > 0 {
        Fragment::Later { id, offset }
    } else if more {
        Fragment::Head { id }
    } else {
        Fragment::Whole
    }
}
