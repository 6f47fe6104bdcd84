//! What the engine asks of a packet, and what it knows of one.

use flowd_abi::{Connection, ConnectionKey, Denied, Direction, Endpoint};

use crate::{
    engine::Meeting,
    parse::{Datagram, Transport},
};

/// A packet as it lies on a device, layer 2 included.
pub trait Packet {
    /// Length in bytes.
    fn length(&self) -> u32;

    /// Cookie of the socket that sent it, 0 where that is not known: it was received, forwarded or
    /// made by the kernel.
    #[inline(always)]
    fn socket(&self) -> u64 {
        0
    }

    /// Looks at the socket that sent it, before anything is told of the packet.
    #[inline(always)]
    fn look(&self, _look: Look) {}

    /// `N` bytes at `offset`, `None` if the packet ends before.
    fn read<const N: usize>(&self, offset: u32) -> Option<Aligned<N>>;

    /// The first 54 bytes, Ethernet and IPv6, or Ethernet, IPv4 and TCP; behind two bytes of
    /// nothing, so that what follows Ethernet lies on words. False if the packet is shorter.
    #[inline(always)]
    fn head(&self, head: &mut Aligned<56>) -> bool {
        let Some(bytes) = self.read::<54>(0) else {
            return false;
        };
        head.0[2..].copy_from_slice(&bytes.0);
        true
    }
}

/// Bytes that can be copied in words: the kernel's compiler copies what may lie anywhere byte by
/// byte, and a word that was written in bytes is slow to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Aligned<const N: usize>(pub [u8; N]);

impl<const N: usize> Default for Aligned<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

/// Where a packet was met.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Scene {
    /// Nanoseconds of `CLOCK_MONOTONIC`, or some milliseconds less.
    pub now: u64,
    /// The side of the workload the packet is on.
    pub direction: Direction,
    /// The device.
    pub ifindex: u32,
    /// Length in bytes, layer 2 included.
    pub length: u32,
    /// The workload behind the device.
    pub endpoint: Endpoint,
}

impl Default for Scene {
    #[inline(always)]
    fn default() -> Self {
        Self {
            now: 0,
            direction: Direction::Ingress,
            ifindex: 0,
            length: 0,
            endpoint: Endpoint::default(),
        }
    }
}

/// What the socket that sent a packet is worth looking at for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Look {
    /// Nothing.
    #[default]
    No,
    /// Who listens: it answers a connection that came in.
    Listener,
    /// What TCP measured, the handshake's round trip included: it is the first after that.
    Handshake,
    /// What TCP measured.
    Numbers,
}

/// Facts of a packet, filled while it is parsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Its key in the connection and denied tables; zeros where it was not readable.
    pub key: ConnectionKey,
    /// Cookie of the socket that sent it, where that was asked for; 0 for none.
    pub socket: u64,
    /// Ethertype behind the VLAN tags.
    pub ethertype: u16,
    /// Destination port of the packet, ICMP type for ICMP: what a policy names.
    pub policy_port: u16,
    /// TCP flags, low byte of the header's flags.
    pub tcp_flags: u8,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Whether the key's addresses are those of the packet.
    pub addressed: bool,
    /// What its socket is worth looking at for.
    pub look: Look,
    /// Destination hardware address, then source hardware address.
    pub macs: [[u8; 6]; 2],
}

/// Where values are put together before they go into a table: the kernel's stack is too small for
/// them, so the programs keep this in a per-CPU map.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// A connection to be put.
    pub connection: Connection,
    /// A denied flow to be put.
    pub denied: Denied,
}

/// Headers in hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers {
    /// The packet's first bytes: too many for the kernel's stack.
    pub head: Aligned<56>,
    /// The packet's own.
    pub datagram: Datagram,
    /// The packet's own.
    pub transport: Transport,
    /// What an ICMP error quotes: its key.
    pub quoted: ConnectionKey,
    /// What an ICMP error quotes.
    pub quoted_datagram: Datagram,
    /// What an ICMP error quotes.
    pub quoted_transport: Transport,
}

/// All that is written down about a packet in hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scratch {
    /// Never written: facts start as a copy of it. The kernel's compiler zeroes byte by byte, but
    /// copies word by word.
    pub blank: Facts,
    /// Where the packet was met.
    pub scene: Scene,
    /// What it says.
    pub facts: Facts,
    /// Its headers.
    pub headers: Headers,
    /// Room for table values.
    pub room: Room,
}

impl Scratch {
    /// Begins with a packet: where it is met, and facts that say nothing of it yet.
    #[inline(always)]
    pub(crate) fn begin<P: Packet>(&mut self, packet: &P, meeting: Meeting, endpoint: Endpoint) {
        self.scene = Scene {
            now: meeting.now,
            direction: meeting.direction,
            ifindex: meeting.ifindex,
            length: packet.length(),
            endpoint,
        };
        self.facts = self.blank;
        self.facts.key.endpoint = endpoint.id;
    }
}

/// TCP flag bits (RFC 9293, section 3.1).
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u8 = 1 << 0;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 1 << 1;
    /// Reset the connection.
    pub const RST: u8 = 1 << 2;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 1 << 4;
}
