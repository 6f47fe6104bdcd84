//! Keys and values of the connection, denied and fragment tables.

use crate::{Address, Direction};

/// One connection seen from a workload: **local and remote, not source and destination**, so that
/// one look-up finds it from either side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ConnectionKey {
    /// Endpoint id.
    pub endpoint: u32,
    /// The workload's address.
    pub local: Address,
    /// The peer's address.
    pub remote: Address,
    /// The workload's port; see [`KeyKind`] for ICMP.
    pub local_port: u16,
    /// The peer's port; see [`KeyKind`] for ICMP.
    pub remote_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// [`KeyKind`] number.
    pub kind: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}

impl ConnectionKey {
    /// The key of these bytes, as they lie in memory.
    #[inline(always)]
    pub fn from_bytes(bytes: [u8; 44]) -> Self {
        let mut key = Self {
            endpoint: u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            local_port: u16::from_ne_bytes([bytes[36], bytes[37]]),
            remote_port: u16::from_ne_bytes([bytes[38], bytes[39]]),
            protocol: bytes[40],
            kind: bytes[41],
            ..Self::default()
        };
        key.local.0.copy_from_slice(&bytes[4..20]);
        key.remote.0.copy_from_slice(&bytes[20..36]);
        key
    }

    /// The bytes of the key, as they lie in memory.
    pub fn to_bytes(&self) -> [u8; 44] {
        let mut bytes = [0; 44];
        bytes[0..4].copy_from_slice(&self.endpoint.to_ne_bytes());
        bytes[4..20].copy_from_slice(&self.local.0);
        bytes[20..36].copy_from_slice(&self.remote.0);
        bytes[36..38].copy_from_slice(&self.local_port.to_ne_bytes());
        bytes[38..40].copy_from_slice(&self.remote_port.to_ne_bytes());
        bytes[40] = self.protocol;
        bytes[41] = self.kind;
        bytes
    }
}

/// What the port fields of a key hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyKind {
    /// Ports; both 0 for protocols without.
    Ports = 0,
    /// An ICMP query and its answers: the identifier stands on the side that asked, 0 on the other.
    Query = 1,
    /// An ICMP message that has no answer: type and code stand on the sender's side, 0 on the other.
    OneWay = 2,
}

/// Bits of [`Connection::marks`].
#[derive(Debug)]
pub struct Marks;

impl Marks {
    /// Its opening has not been told: the ring had no room.
    pub const UNTOLD_OPEN: u8 = 1 << 0;
    /// Its first answer has not been told.
    pub const UNTOLD_REPLY: u8 = 1 << 1;
    /// Its close has not been told.
    pub const UNTOLD_CLOSE: u8 = 1 << 2;
    /// A changed verdict has not been told.
    pub const UNTOLD_VERDICT: u8 = 1 << 3;
    /// An answer has been seen.
    pub const REPLIED: u8 = 1 << 4;
    /// Seeded from the workload's socket table: it was open before flowd attached.
    pub const SEEDED: u8 = 1 << 5;
    /// It passes whatever the policies say and is never judged again: the operator's own, or one
    /// the host carries for others under its own address.
    pub const KEPT: u8 = 1 << 6;

    /// Any of the untold marks.
    pub const UNTOLD: u8 =
        Self::UNTOLD_OPEN | Self::UNTOLD_REPLY | Self::UNTOLD_CLOSE | Self::UNTOLD_VERDICT;
}

/// Where a connection is in its life; the time-out depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Opened, no answer yet.
    New = 1,
    /// Answered.
    Established = 2,
    /// One side has sent its FIN.
    Closing = 3,
    /// Both sides have sent their FIN.
    Closed = 4,
    /// Reset by one side.
    Reset = 5,
}

impl State {
    /// The state of this number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::New),
            2 => Some(Self::Established),
            3 => Some(Self::Closing),
            4 => Some(Self::Closed),
            5 => Some(Self::Reset),
            _ => None,
        }
    }
}

/// What is remembered of a judged connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Connection {
    /// When it was opened.
    pub created: u64,
    /// When its last packet passed.
    pub last: u64,
    /// When it was last told.
    pub told: u64,
    /// Packets from the workload.
    pub sent_packets: u64,
    /// Bytes from the workload, as on the device (layer 2 included).
    pub sent_bytes: u64,
    /// Packets to the workload.
    pub received_packets: u64,
    /// Bytes to the workload.
    pub received_bytes: u64,
    /// Cookie of the workload's socket, 0 where none was seen.
    pub socket: u64,
    /// The set of rules that decided, 0 where no rule did.
    pub rule: u32,
    /// Policy id that decided.
    pub policy: u32,
    /// [`crate::Endpoint::generation`] that decided.
    pub generation: u32,
    /// Identity of the peer when it was judged.
    pub peer_identity: u32,
    /// CIDR class of the peer when it was judged.
    pub peer_class: u32,
    /// [`Direction`] number of the packet that opened it.
    pub origin: u8,
    /// [`State`] number.
    pub state: u8,
    /// Verdict number of [`crate::Verdict::to_numbers`]: forward or audit.
    pub verdict: u8,
    /// Reason number of the verdict.
    pub reason: u8,
    /// TCP flags sent by the workload so far.
    pub sent_flags: u8,
    /// TCP flags received by the workload so far.
    pub received_flags: u8,
    /// [`Marks`].
    pub marks: u8,
    /// ICMP type of the opening packet.
    pub icmp_type: u8,
    /// ICMP code of the opening packet.
    pub icmp_code: u8,
    /// Hubble's `policy_match_type`.
    pub match_type: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}

impl Connection {
    /// The direction of the packet that opened it.
    #[inline(always)]
    pub const fn origin(&self) -> Direction {
        if self.origin == Direction::Ingress as u8 {
            Direction::Ingress
        } else {
            Direction::Egress
        }
    }
}

/// What is remembered of a denied flow, so that a flood of it is one event and a count. A policy
/// that cuts a live connection leaves its [`Connection`] in place (its origin must be remembered)
/// and counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Denied {
    /// First packet.
    pub created: u64,
    /// Last packet.
    pub last: u64,
    /// When it was last told.
    pub told: u64,
    /// Packets dropped.
    pub packets: u64,
    /// Bytes dropped.
    pub bytes: u64,
    /// Of those, packets already told to userspace.
    pub told_packets: u64,
    /// Cookie of the socket that sent the first of them, 0 where it is not known.
    pub socket: u64,
    /// The set of rules that decided, 0 where no rule did.
    pub rule: u32,
    /// Policy id that decided.
    pub policy: u32,
    /// [`crate::Endpoint::generation`] that decided.
    pub generation: u32,
    /// Identity of the peer.
    pub peer_identity: u32,
    /// CIDR class of the peer.
    pub peer_class: u32,
    /// Of the untold packets, those whose own event found no room in the ring.
    pub deferred: u32,
    /// [`Direction`] number of the dropped packets.
    pub direction: u8,
    /// Verdict number of [`crate::Verdict::to_numbers`]: drop or audit.
    pub verdict: u8,
    /// Reason number ([`crate::DropReason`]).
    pub reason: u8,
    /// Hubble's `policy_match_type`.
    pub match_type: u8,
    /// TCP flags of the first packet.
    pub tcp_flags: u8,
    /// ICMP type of the first packet.
    pub icmp_type: u8,
    /// ICMP code of the first packet.
    pub icmp_code: u8,
    /// Padding, 0.
    pub pad: u8,
}

/// A fragmented datagram (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FragmentKey {
    /// Endpoint id.
    pub endpoint: u32,
    /// Identification; 16 bits in IPv4.
    pub id: u32,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// [`Direction`] number.
    pub direction: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}

/// What the first fragment told, for those that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FragmentHead {
    /// When the first fragment was seen.
    pub seen: u64,
    /// Source port, or ICMP identifier.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}
