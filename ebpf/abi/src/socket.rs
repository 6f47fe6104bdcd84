//! Values of the socket tables: whose socket it is, and what TCP measured on it.

/// How it is known that a process owns a socket. Higher is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OwnerHow {
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
    /// TCP's smoothed round trip in microseconds, 0 for none. As of the last packet that was looked
    /// at: the first few the workload sent, then each whose number is a power of two, FIN and RST.
    pub rtt: u32,
    /// Segments TCP sent again, as of the same packet.
    pub retransmits: u32,
    /// [`OwnerHow`] number.
    pub how: u8,
    /// Whether TCP's numbers were read: 1, else 0.
    pub measured: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
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
