//! From bytes to the facts of a packet.
//!
//! Every function reads only what it needs, checks it against both the packet's end and the
//! header's own lengths, and names what is wrong as a [`DropReason`]. Results are written where the
//! caller says: the kernel's stack has no room for copies.

pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod transport;

use flowd_abi::{Address, DropReason};

/// An IP header, whichever version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// Version of the header.
    pub version: Version,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Protocol of the payload (behind IPv6 extension headers).
    pub protocol: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Offset of the payload in the packet.
    pub payload: u32,
    /// Offset of the first byte behind the datagram.
    pub end: u32,
    /// Whether it is a fragment.
    pub fragment: Fragment,
}

/// Version of an IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 791.
    #[default]
    V4,
    /// RFC 8200.
    V6,
}

/// What part of a fragmented datagram this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// Not fragmented.
    #[default]
    Whole,
    /// The first fragment, which carries the transport header.
    Head {
        /// Identification.
        id: u32,
    },
    /// A later fragment, with the offset of its payload in the datagram in bytes.
    Later {
        /// Identification.
        id: u32,
        /// Offset in bytes.
        offset: u32,
    },
}

/// What a transport header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Source port; ICMP identifier.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// TCP flags.
    pub tcp_flags: u8,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// What kind of message it is.
    pub kind: TransportKind,
}

/// How a message is tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportKind {
    /// By its ports.
    #[default]
    Ports,
    /// An ICMP query, by its identifier.
    Query,
    /// The answer to one.
    Answer,
    /// An ICMP error about the datagram it quotes.
    Error,
    /// An ICMP message without an answer.
    OneWay,
    /// A protocol that policies cannot name.
    Unsupported,
}

/// A step of parsing.
pub type Parsed<T> = Result<T, DropReason>;
