//! Keys and values of the socket tables: whose socket it is, and what TCP measured on it.

use crate::Address;

/// How it is known that a process owns a socket. Higher is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OwnerHow {
    /// It is not: only TCP's numbers are.
    Unknown = 0,
    /// The process opened the socket, or the listening socket it came from, and may have handed it
    /// on since.
    Inherited = 1,
    /// The process itself connected, accepted or sent.
    Exact = 2,
}

impl OwnerHow {
    /// The meaning of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Unknown),
            1 => Some(Self::Inherited),
            2 => Some(Self::Exact),
            _ => None,
        }
    }
}

/// One socket, by its cookie: a number the kernel gives to no other socket until it reboots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Socket {
    /// When the process was seen at it.
    pub seen: u64,
    /// When the process started, nanoseconds of `CLOCK_BOOTTIME`; 0 where the kernel's type
    /// information does not say where to read it.
    pub started: u64,
    /// Id of its control group (version 2).
    pub cgroup: u64,
    /// Cookie of the network namespace the socket is in.
    pub namespace: u64,
    /// The process (thread group) in the initial pid namespace.
    pub process: u32,
    /// The thread that was seen.
    pub thread: u32,
    /// Its user.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// The thread's name, NUL-padded.
    pub name: [u8; 16],
    /// Round trip of the TCP handshake in microseconds, 0 for none.
    pub handshake_rtt: u32,
    /// TCP's smoothed round trip when its state last changed, in microseconds; 0 for none.
    pub rtt: u32,
    /// Segments TCP sent again, as of its last change of state.
    pub retransmits: u32,
    /// [`OwnerHow`] number.
    pub how: u8,
    /// Whether TCP's numbers were read: 1, else 0.
    pub measured: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}

/// Where a TCP socket listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ListenerKey {
    /// Cookie of the network namespace.
    pub namespace: u64,
    /// The address; all zeros for any, of either IP version.
    pub address: Address,
    /// The port.
    pub port: u32,
    /// Padding, 0.
    pub pad: u32,
}

/// The socket that listens there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Listener {
    /// Its cookie.
    pub socket: u64,
    /// Not 0 when sockets of several processes listen there, so that none of them can be named.
    pub shared: u64,
}

/// Slots of `SOCKET_COUNTS`, per CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SocketCount {
    /// Sockets put into the table. What it no longer holds was evicted.
    Added = 0,
    /// Sockets the table refused.
    Refused = 1,
}

impl SocketCount {
    /// Number of slots.
    pub const LEN: u32 = 2;
}
