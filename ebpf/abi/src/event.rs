//! The one record the programs write into the rings.

use crate::{Address, Direction, Verdict};

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A connection was opened: its first packet and the verdict on it.
    Open = 1,
    /// Its first answer.
    Reply = 2,
    /// Its verdict changed: the policy did.
    Verdict = 3,
    /// It goes on: the numbers so far.
    Update = 4,
    /// It ended: closed, reset or timed out (see `state`).
    Close = 5,
    /// A packet was dropped, or a denied flow began.
    Drop = 6,
    /// A denied flow went on: `packets` more drops since it was last told.
    Drops = 7,
}

impl EventKind {
    /// The kind of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Open),
            2 => Some(Self::Reply),
            3 => Some(Self::Verdict),
            4 => Some(Self::Update),
            5 => Some(Self::Close),
            6 => Some(Self::Drop),
            7 => Some(Self::Drops),
            _ => None,
        }
    }
}

/// Bits of [`Event::flags`].
#[derive(Debug)]
pub struct EventFlags;

impl EventFlags {
    /// The packet is an answer: it runs against the connection's opening direction.
    pub const REPLY: u8 = 1 << 0;
    /// Told by the sweep, not by the packet itself.
    pub const SWEPT: u8 = 1 << 1;
    /// The packet is no IP packet, or one whose IP header could not be read: `local` and `remote`
    /// say nothing.
    pub const NO_ADDRESSES: u8 = 1 << 2;
    /// The connection was open before flowd attached.
    pub const SEEDED: u8 = 1 << 3;
}

/// One event, 152 bytes, integers in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When the packet was judged, or the sweep ran.
    pub time: u64,
    /// When the connection or denied flow began.
    pub created: u64,
    /// The workload's address.
    pub local: Address,
    /// The peer's address.
    pub remote: Address,
    /// Packets from the workload so far. For `Drop` and `Drops`: packets this event speaks for.
    pub sent_packets: u64,
    /// Bytes from the workload so far. For `Drop` and `Drops`: bytes so far.
    pub sent_bytes: u64,
    /// Packets to the workload so far. For `Drops`: all packets so far.
    pub received_packets: u64,
    /// Bytes to the workload so far. For a drop of the kernel: when the connection was opened that
    /// it belongs to, 0 for none.
    pub received_bytes: u64,
    /// Cookie of the workload's socket, 0 where none was seen.
    pub socket: u64,
    /// Endpoint id.
    pub endpoint: u32,
    /// Identity of the peer.
    pub peer_identity: u32,
    /// CIDR class of the peer, 0 for none.
    pub peer_class: u32,
    /// The set of rules that decided, 0 where no rule did.
    pub rule: u32,
    /// Policy id that decided, 0 for none.
    pub policy: u32,
    /// Endpoint generation that decided.
    pub generation: u32,
    /// Device the packet was seen on.
    pub ifindex: u32,
    /// Length of the packet in bytes, layer 2 included.
    pub length: u32,
    /// The workload's port.
    pub local_port: u16,
    /// The peer's port.
    pub remote_port: u16,
    /// Ethertype of the packet.
    pub ethertype: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// [`EventKind`] number.
    pub kind: u8,
    /// Verdict number of [`Verdict::to_numbers`].
    pub verdict: u8,
    /// Reason number of the verdict.
    pub reason: u8,
    /// [`Direction`] number of this packet.
    pub direction: u8,
    /// [`Direction`] number of the packet that opened the connection.
    pub origin: u8,
    /// Connection state, see [`crate::connection::State`]; 0 for none.
    pub state: u8,
    /// TCP flags of this packet, in the order of the header's low byte (FIN is bit 0).
    pub tcp_flags: u8,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// [`EventFlags`].
    pub flags: u8,
    /// Hubble's `policy_match_type`.
    pub match_type: u8,
    /// Source hardware address of the packet.
    pub source_mac: [u8; 6],
    /// Destination hardware address of the packet.
    pub destination_mac: [u8; 6],
    /// [`crate::KernelReason`] of what the kernel dropped, 0 where it did not.
    pub kernel_reason: u16,
}

impl Event {
    /// The verdict, `None` if the bytes are none.
    pub const fn verdict(&self) -> Option<Verdict> {
        Verdict::from_numbers(self.verdict, self.reason)
    }

    /// The direction of the packet, `None` if the byte is none.
    pub const fn direction(&self) -> Option<Direction> {
        Direction::from_number(self.direction)
    }

    /// The bytes the kernel writes for it: every field in its order.
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        let mut writer = Writer {
            bytes: [0; size_of::<Self>()],
            length: 0,
        };
        writer.put(&self.time.to_ne_bytes());
        writer.put(&self.created.to_ne_bytes());
        writer.put(&self.local.0);
        writer.put(&self.remote.0);
        for number in [
            self.sent_packets,
            self.sent_bytes,
            self.received_packets,
            self.received_bytes,
            self.socket,
        ] {
            writer.put(&number.to_ne_bytes());
        }
        for number in [
            self.endpoint,
            self.peer_identity,
            self.peer_class,
            self.rule,
            self.policy,
            self.generation,
            self.ifindex,
            self.length,
        ] {
            writer.put(&number.to_ne_bytes());
        }
        for number in [self.local_port, self.remote_port, self.ethertype] {
            writer.put(&number.to_ne_bytes());
        }
        writer.put(&[
            self.protocol,
            self.kind,
            self.verdict,
            self.reason,
            self.direction,
            self.origin,
            self.state,
            self.tcp_flags,
            self.icmp_type,
            self.icmp_code,
            self.flags,
            self.match_type,
        ]);
        writer.put(&self.source_mac);
        writer.put(&self.destination_mac);
        writer.put(&self.kernel_reason.to_ne_bytes());
        writer.bytes
    }
}

/// Fields one behind the other.
struct Writer {
    bytes: [u8; size_of::<Event>()],
    length: usize,
}

impl Writer {
    fn put(&mut self, field: &[u8]) {
        let end = self.length + field.len();
        self.bytes[self.length..end].copy_from_slice(field);
        self.length = end;
    }
}
