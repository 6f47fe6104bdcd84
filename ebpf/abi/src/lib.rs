//! What crosses the boundary between flowd's eBPF programs and its userspace.
//!
//! Only integers and byte arrays live here, in `repr(C)` structs whose sizes are asserted in
//! [`layout`]. Both sides are compiled from this crate; an object or a pin of another
//! [`ABI_VERSION`] is refused by the loader. Addresses are 16 bytes, IPv4 in its v4-mapped form
//! (RFC 4291, section 2.5.5.2). Ports are in host byte order. Times are nanoseconds of
//! `CLOCK_MONOTONIC`.
#![no_std]

pub mod address;
pub mod connection;
pub mod counters;
pub mod endpoint;
pub mod event;
pub mod kernel;
pub mod layout;
pub mod peer;
pub mod policy;
pub mod reason;
pub mod socket;
pub mod sweep;
#[cfg(feature = "user")]
mod user;

pub use address::Address;
pub use connection::{Connection, ConnectionKey, Denied, FragmentHead, FragmentKey};
pub use counters::{Counter, CounterIndex};
pub use endpoint::{Endpoint, EndpointFlags};
pub use event::{Event, EventKind};
pub use kernel::{
    FreedCount, Guarded, GuardedKey, KernelDropKey, KernelDropped, KernelField, KernelReason,
};
pub use peer::{Peer, PeerKey};
pub use policy::{Action, PolicyEntry, PolicyKey};
pub use reason::{DropReason, ForwardReason, Verdict};
pub use socket::{OwnerHow, Socket, SocketCount};

/// Changes whenever the meaning or layout of anything in this crate changes. Pinned objects carry
/// it in their directory name.
pub const ABI_VERSION: u32 = 5;

/// The side of the workload a packet is on, and the side of a policy that judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    /// Towards the workload.
    Ingress = 1,
    /// From the workload.
    Egress = 2,
}

impl Direction {
    /// Both directions, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The direction of this number; numbers are Hubble's `TrafficDirection`.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Ingress),
            2 => Some(Self::Egress),
            _ => None,
        }
    }
}

/// Numbers of the protocols the engine knows (IANA "Assigned Internet Protocol Numbers").
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}
