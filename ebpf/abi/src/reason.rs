//! Verdicts and their reasons. Numbers are only ever appended.

/// Why a packet passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ForwardReason {
    /// No policy selects the workload in this direction.
    Unenforced = 1,
    /// A rule allows it.
    Allowed = 2,
    /// The answer direction of an allowed connection.
    Reply = 3,
    /// An ICMP error about an allowed connection.
    Related = 4,
    /// ARP, IPv6 neighbour discovery or a multicast listener message: never cut. On the host's own
    /// devices also IGMP and its DHCP.
    Neighbour = 5,
    /// The connection through which the operator applied a host policy.
    OperatorGuard = 6,
    /// Somebody else's connection, which leaves the host under the host's own address.
    Masqueraded = 7,
}

/// Why a packet was dropped, or would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum DropReason {
    /// No rule allows it, and a policy switched the workload to default deny.
    DefaultDenied = 1,
    /// A deny rule matches.
    RuleDenied = 2,
    /// A header is truncated or contradicts itself.
    Malformed = 3,
    /// An IP protocol that policies cannot name, to or from an enforced workload.
    UnsupportedProtocol = 4,
    /// An Ethernet protocol other than IPv4, IPv6 and ARP, to or from an enforced workload.
    UnsupportedEthertype = 5,
    /// A later fragment whose first fragment was not seen.
    FragmentWithoutHead = 6,
    /// The connection table refused the entry.
    TableFull = 7,
    /// The source address is not one of the workload's own.
    SourceAddress = 8,
    /// An IPv6 extension header that is unknown, or more of them than are followed.
    ExtensionHeader = 9,
    /// The kernel: nobody takes it at its destination.
    KernelNoSocket = 10,
    /// The kernel: a buffer, a queue or its memory is full.
    KernelQueueFull = 11,
    /// The kernel: no route, no neighbour, no device to send it by.
    KernelUnreachable = 12,
    /// The kernel, told by somebody else's filter: netfilter, another's eBPF program, a security
    /// module, reverse path filtering.
    KernelFiltered = 13,
    /// The kernel: a header, a checksum or a sequence number is wrong.
    KernelInvalid = 14,
    /// The kernel, for any other reason of its own.
    KernelOther = 15,
}

/// What happens to a packet, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Passes.
    Forward(ForwardReason),
    /// Dropped.
    Drop(DropReason),
    /// Passes, but would have been dropped.
    Audit(DropReason),
}

impl ForwardReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Unenforced,
        Self::Allowed,
        Self::Reply,
        Self::Related,
        Self::Neighbour,
        Self::OperatorGuard,
        Self::Masqueraded,
    ];

    /// The reason of this number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Unenforced),
            2 => Some(Self::Allowed),
            3 => Some(Self::Reply),
            4 => Some(Self::Related),
            5 => Some(Self::Neighbour),
            6 => Some(Self::OperatorGuard),
            7 => Some(Self::Masqueraded),
            _ => None,
        }
    }
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::DefaultDenied,
        Self::RuleDenied,
        Self::Malformed,
        Self::UnsupportedProtocol,
        Self::UnsupportedEthertype,
        Self::FragmentWithoutHead,
        Self::TableFull,
        Self::SourceAddress,
        Self::ExtensionHeader,
        Self::KernelNoSocket,
        Self::KernelQueueFull,
        Self::KernelUnreachable,
        Self::KernelFiltered,
        Self::KernelInvalid,
        Self::KernelOther,
    ];

    /// Whether the kernel dropped the packet, and no verdict of ours.
    #[inline(always)]
    pub const fn is_of_kernel(self) -> bool {
        match self {
            Self::DefaultDenied
            | Self::RuleDenied
            | Self::Malformed
            | Self::UnsupportedProtocol
            | Self::UnsupportedEthertype
            | Self::FragmentWithoutHead
            | Self::TableFull
            | Self::SourceAddress
            | Self::ExtensionHeader => false,
            Self::KernelNoSocket
            | Self::KernelQueueFull
            | Self::KernelUnreachable
            | Self::KernelFiltered
            | Self::KernelInvalid
            | Self::KernelOther => true,
        }
    }

    /// The reason of this number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::DefaultDenied),
            2 => Some(Self::RuleDenied),
            3 => Some(Self::Malformed),
            4 => Some(Self::UnsupportedProtocol),
            5 => Some(Self::UnsupportedEthertype),
            6 => Some(Self::FragmentWithoutHead),
            7 => Some(Self::TableFull),
            8 => Some(Self::SourceAddress),
            9 => Some(Self::ExtensionHeader),
            10 => Some(Self::KernelNoSocket),
            11 => Some(Self::KernelQueueFull),
            12 => Some(Self::KernelUnreachable),
            13 => Some(Self::KernelFiltered),
            14 => Some(Self::KernelInvalid),
            15 => Some(Self::KernelOther),
            _ => None,
        }
    }
}

impl Verdict {
    /// The two bytes a verdict is stored as: verdict (1 forward, 2 drop, 4 audit, as in Hubble's
    /// enum) and reason number.
    #[inline(always)]
    pub const fn to_numbers(self) -> (u8, u8) {
        match self {
            Self::Forward(reason) => (1, reason as u8),
            Self::Drop(reason) => (2, reason as u8),
            Self::Audit(reason) => (4, reason as u8),
        }
    }

    /// The verdict of two stored bytes.
    #[inline(always)]
    pub const fn from_numbers(verdict: u8, reason: u8) -> Option<Self> {
        match verdict {
            1 => match ForwardReason::from_number(reason) {
                Some(reason) => Some(Self::Forward(reason)),
                None => None,
            },
            2 => match DropReason::from_number(reason) {
                Some(reason) => Some(Self::Drop(reason)),
                None => None,
            },
            4 => match DropReason::from_number(reason) {
                Some(reason) => Some(Self::Audit(reason)),
                None => None,
            },
            _ => None,
        }
    }
}
