//! Drops that the kernel made and no verdict of ours: whose packets count, and what is remembered
//! of a flow that loses some.

use crate::{Address, ConnectionKey};

/// An address of a guarded workload, as it is met in one network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct GuardedKey {
    /// Number of the namespace (inode of its file); [`GuardedKey::ANYWHERE`] where the workload's
    /// own is not known.
    pub namespace: u32,
    /// The address.
    pub address: Address,
}

impl GuardedKey {
    /// No namespace has this number: the address counts in every one.
    pub const ANYWHERE: u32 = 0;
}

/// The workload an address is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Guarded {
    /// Endpoint id; never 0.
    pub endpoint: u32,
}

/// Why the kernel dropped a packet, as events and keys carry it: the kernel's number, those of a
/// subsystem behind its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct KernelReason(pub u16);

impl KernelReason {
    /// No reason: the kernel did not drop the packet.
    pub const NONE: Self = Self(0);
    /// One that does not fit: a number of more than twelve bits, a subsystem of more than four.
    pub const OTHER: Self = Self(u16::MAX);
    /// Reasons that have a class and a counter of their own; the rest share the last one.
    pub const COUNTED: u32 = 256;

    /// The reason of the kernel's number (`enum skb_drop_reason`): the subsystem in the upper half.
    #[inline(always)]
    pub const fn of(number: u32) -> Self {
        let (subsystem, reason) = (number >> 16, number & 0xffff);
        if subsystem < 0xf && reason < 0x1000 {
            Self((subsystem << 12 | reason) as u16)
        } else {
            Self::OTHER
        }
    }

    /// The kernel's number, `None` of [`KernelReason::OTHER`].
    pub const fn number(self) -> Option<u32> {
        match self {
            Self::OTHER => None,
            Self(packed) => Some((packed as u32 >> 12) << 16 | packed as u32 & 0xfff),
        }
    }

    /// Its place among the classes and counters.
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        if (self.0 as u32) < Self::COUNTED - 1 {
            self.0 as u32
        } else {
            Self::COUNTED - 1
        }
    }
}

/// A class of reasons that lose nothing: duplicates, copies for a sniffer. Other classes are numbers
/// of [`crate::DropReason`].
pub const NO_LOSS: u8 = 0;

/// A flow that loses packets for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct KernelDropKey {
    /// The flow, seen from the workload.
    pub flow: ConnectionKey,
    /// [`KernelReason`].
    pub reason: u16,
    /// [`crate::Direction`] number of the packets.
    pub direction: u8,
    /// Padding, 0.
    pub pad: u8,
}

impl KernelDropKey {
    /// The key of these bytes, as they lie in memory.
    #[inline(always)]
    pub fn from_bytes(bytes: [u8; 48]) -> Self {
        let mut flow = [0; 44];
        flow.copy_from_slice(&bytes[..44]);
        Self {
            flow: ConnectionKey::from_bytes(flow),
            reason: u16::from_ne_bytes([bytes[44], bytes[45]]),
            direction: bytes[46],
            pad: 0,
        }
    }

    /// The bytes of the key, as they lie in memory.
    pub fn to_bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..44].copy_from_slice(&self.flow.to_bytes());
        bytes[44..46].copy_from_slice(&self.reason.to_ne_bytes());
        bytes[46] = self.direction;
        bytes
    }
}

/// What is remembered of it, so that a flood is one event and a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct KernelDropped {
    /// First packet.
    pub created: u64,
    /// Last packet.
    pub last: u64,
    /// When it was last told.
    pub told: u64,
    /// Packets dropped.
    pub packets: u64,
    /// Bytes dropped, from the IP header on.
    pub bytes: u64,
    /// Of the packets, those already told to userspace.
    pub told_packets: u64,
    /// Cookie of the workload's socket, 0 where the kernel named none.
    pub socket: u64,
    /// When the connection was opened that they belong to; 0 where none is tracked.
    pub opened: u64,
    /// [`crate::Endpoint::generation`] that decided on that connection.
    pub generation: u32,
    /// Identity of the peer.
    pub peer_identity: u32,
    /// CIDR class of the peer.
    pub peer_class: u32,
    /// Of the untold packets, those whose own event found no room in the ring.
    pub deferred: u32,
    /// Device the first of them was on, 0 for none.
    pub ifindex: u32,
    /// [`crate::DropReason`] number of the reason's class.
    pub class: u8,
    /// [`crate::event::EventFlags`] of all their events.
    pub flags: u8,
    /// [`crate::connection::State`] of that connection; 0 for none.
    pub state: u8,
    /// TCP flags of the first packet.
    pub tcp_flags: u8,
    /// ICMP type of the first packet.
    pub icmp_type: u8,
    /// ICMP code of the first packet.
    pub icmp_code: u8,
    /// Padding, 0.
    pub pad: [u8; 6],
}

/// Slots of `FREED_COUNTS`, per CPU: what was freed as dropped and is told by no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FreedCount {
    /// By a verdict of ours, which tells it.
    Ours = 0,
    /// For a reason that loses nothing.
    NoLoss = 1,
    /// No IP packet, or none of a guarded workload.
    Elsewhere = 2,
}

impl FreedCount {
    /// Number of slots.
    pub const LEN: u32 = 3;
}

/// What `kernel_drop` reads of the kernel's structures, in the order of the offsets it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum KernelField {
    /// `sk_buff.head`: where its memory begins.
    Head = 0,
    /// `sk_buff.tail`: where its bytes end, from `head`.
    Tail = 1,
    /// `sk_buff.data`: where what is left of it begins.
    Data = 2,
    /// `sk_buff.len`: bytes from there on.
    Length = 3,
    /// `sk_buff.protocol`: its ethertype.
    Protocol = 4,
    /// `sk_buff.network_header`: its IP header, from `head`.
    NetworkHeader = 5,
    /// `sk_buff.skb_iif`: the device it was received by.
    ReceivedBy = 6,
    /// `sk_buff.dev`: the device it is on.
    Device = 7,
    /// `sk_buff.sk`: the socket it belongs to.
    Owner = 8,
    /// `sock.__sk_common.skc_cookie`.
    SocketCookie = 9,
    /// `sock.__sk_common.skc_family`.
    SocketFamily = 10,
    /// `sock.__sk_common.skc_net`: its network namespace.
    SocketNamespace = 11,
    /// `net_device.ifindex`.
    DeviceIndex = 12,
    /// `net_device.nd_net`: its network namespace.
    DeviceNamespace = 13,
    /// `net.ns.inum`: the number of a network namespace.
    NamespaceNumber = 14,
}

impl KernelField {
    /// Number of fields.
    pub const LEN: usize = 15;
}
