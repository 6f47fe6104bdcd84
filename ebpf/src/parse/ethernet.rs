//! Ethernet II with up to two VLAN tags (IEEE 802.1Q).

use flowd_abi::DropReason;

use super::Parsed;
use crate::packet::{Aligned, Packet};

/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub const ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Tag protocol of a customer VLAN.
const VLAN: u16 = 0x8100;
/// Tag protocol of a service VLAN (802.1ad).
const SERVICE_VLAN: u16 = 0x88a8;
/// Length of the header without tags.
pub const HEADER: u32 = 14;
/// Length of one tag.
const TAG: u32 = 4;

/// What the frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Ethertype behind the tags.
    pub ethertype: u16,
    /// Offset of the payload.
    pub payload: u32,
}

/// Reads the header and its tags; `macs` are the destination and the source hardware address. A
/// third tag is left as the ethertype.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, macs: &mut [[u8; 6]; 2]) -> Parsed<Frame> {
    let Some(header) = packet.read::<14>(0) else {
        return Err(DropReason::Malformed);
    };
    addresses(&header.0, macs);
    let mut frame = Frame {
        ethertype: ethertype(&header.0),
        payload: HEADER,
    };
    if is_tag(frame.ethertype) {
        frame = untag(packet, frame)?;
        if is_tag(frame.ethertype) {
            frame = untag(packet, frame)?;
        }
    }
    Ok(frame)
}

/// Takes both hardware addresses out of a header, in half words: see [`Aligned`].
#[inline(always)]
pub fn addresses(header: &[u8; 14], macs: &mut [[u8; 6]; 2]) {
    for (to, from) in macs
        .as_flattened_mut()
        .chunks_exact_mut(2)
        .zip(header.chunks_exact(2))
    {
        to.copy_from_slice(from);
    }
}

/// The ethertype or the tag protocol behind the addresses.
#[inline(always)]
pub fn ethertype(header: &[u8; 14]) -> u16 {
    u16::from_be_bytes([header[12], header[13]])
}

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    ethertype == VLAN || ethertype == SERVICE_VLAN
}

#[inline(always)]
fn untag<P: Packet>(packet: &P, frame: Frame) -> Parsed<Frame> {
    let Some(Aligned([_, _, high, low])) = packet.read::<4>(frame.payload) else {
        return Err(DropReason::Malformed);
    };
    Ok(Frame {
        ethertype: u16::from_be_bytes([high, low]),
        payload: frame.payload + TAG,
    })
}
