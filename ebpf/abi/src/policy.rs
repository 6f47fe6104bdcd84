//! Key and value of `POLICY`, the LPM trie a new connection is judged by.

use crate::Direction;

/// An LPM key. Policy id, direction and peer are always exact; the protocol is all or nothing; the
/// port may be a prefix, only when the protocol is set.
///
/// The compiler guarantees that the longest match is also the one of highest precedence among the
/// entries of the same peer; between the peers (identity, CIDR class, any) the engine compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct PolicyKey {
    /// Prefix length in bits: [`PolicyKey::PREFIX_PEER`], [`PolicyKey::PREFIX_PROTOCOL`], or up to
    /// [`PolicyKey::PREFIX_FULL`].
    pub prefix: u32,
    /// Policy id, big endian.
    pub policy: [u8; 4],
    /// Peer: an identity, a CIDR class, or [`PolicyKey::ANY_PEER`]; big endian.
    pub peer: [u8; 4],
    /// [`Direction`] number.
    pub direction: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination port of the initiating packet, ICMP type for ICMP; big endian.
    pub port: [u8; 2],
}

impl PolicyKey {
    /// The peer that stands for any peer.
    pub const ANY_PEER: u32 = 0;
    /// All protocols, all ports.
    pub const PREFIX_PEER: u32 = 72;
    /// One protocol, all ports.
    pub const PREFIX_PROTOCOL: u32 = 80;
    /// One protocol, one port.
    pub const PREFIX_FULL: u32 = 96;

    /// The key that looks up one destination, or an entry for exactly one port.
    #[inline(always)]
    pub const fn full(
        policy: u32,
        direction: Direction,
        peer: u32,
        protocol: u8,
        port: u16,
    ) -> Self {
        Self {
            prefix: Self::PREFIX_FULL,
            policy: policy.to_be_bytes(),
            peer: peer.to_be_bytes(),
            direction: direction as u8,
            protocol,
            port: port.to_be_bytes(),
        }
    }

    /// The key of these bytes behind a prefix length.
    pub const fn from_data(prefix: u32, data: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, direction, protocol, i, j] = data;
        Self {
            prefix,
            policy: [a, b, c, d],
            peer: [e, f, g, h],
            direction,
            protocol,
            port: [i, j],
        }
    }

    /// The bytes behind the prefix length, as the trie stores them.
    #[inline(always)]
    pub const fn data(&self) -> [u8; 12] {
        let ([a, b, c, d], [e, f, g, h], [i, j]) = (self.policy, self.peer, self.port);
        [a, b, c, d, e, f, g, h, self.direction, self.protocol, i, j]
    }
}

/// What a matching packet meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// Pass.
    Allow = 1,
    /// Drop with the reason "denied by a rule".
    Deny = 2,
}

impl Action {
    /// The action of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Allow),
            2 => Some(Self::Deny),
            _ => None,
        }
    }
}

/// The value of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PolicyEntry {
    /// Higher wins; a deny is always above an allow of the same level.
    pub precedence: u32,
    /// The set of rules this entry was compiled from; 0 for a default deny that is said explicitly.
    pub rule: u32,
    /// [`Action`] number.
    pub action: u8,
    /// The key's own prefix length in bits: a look-up does not return the matched key.
    pub prefix: u8,
    /// Padding, 0.
    pub pad: [u8; 2],
}
