//! Ethernet II with up to two VLAN tags (IEEE 802.1Q).

use flowd_abi::DropReason;

use super::Parsed;
use crate::packet::Packet;

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
const HEADER: u32 = 14;
/// Length of one tag.
const TAG: u32 = 4;

/// The frame's addresses and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Destination hardware address, then source hardware address.
    pub macs: [[u8; 6]; 2],
    /// Ethertype behind the tags.
    pub ethertype: u16,
    /// Offset of the payload.
    pub payload: u32,
}

/// Reads the header and its tags. A third tag is left as the ethertype.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P) -> Parsed<Frame> {
    let Some(header) = packet.read::<14>(0) else {
        return Err(DropReason::Malformed);
    };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, high, low] = header;
    let mut frame = Frame {
        macs: [[d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]],
        ethertype: u16::from_be_bytes([high, low]),
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

#[inline(always)]
fn is_tag(ethertype: u16) -> bool {
    ethertype == VLAN || ethertype == SERVICE_VLAN
}

#[inline(always)]
fn untag<P: Packet>(packet: &P, frame: Frame) -> Parsed<Frame> {
    let Some([_, _, high, low]) = packet.read::<4>(frame.payload) else {
        return Err(DropReason::Malformed);
    };
    Ok(Frame {
        ethertype: u16::from_be_bytes([high, low]),
        payload: frame.payload + TAG,
        ..frame
    })
}
