//! Key and value of `PEERS`, the LPM trie from address to who it is.

use crate::Address;

/// Data of an LPM key: an address; the prefix length lives beside it (0 to 128 bits, IPv4
/// prefixes are 96 bits longer than written).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct PeerKey {
    /// Prefix length in bits.
    pub prefix: u32,
    /// Network address.
    pub address: Address,
}

/// Who an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Peer {
    /// Security identity; addresses without an entry are [`Peer::WORLD`].
    pub identity: u32,
    /// The policy CIDR class of the address, 0 for none. Classes share the number space of
    /// identities in the scope `0x0100_0000`, so both can be the peer of a policy entry.
    pub class: u32,
    /// The endpoint that owns this very address, 0 for none.
    pub endpoint: u32,
}

impl Peer {
    /// The reserved identity `host`: this node's own addresses.
    pub const HOST_IDENTITY: u32 = 1;
    /// The reserved identity `world`.
    pub const WORLD_IDENTITY: u32 = 2;

    /// What an address without any entry is.
    pub const WORLD: Self = Self {
        identity: Self::WORLD_IDENTITY,
        class: 0,
        endpoint: 0,
    };

    /// First number of the CIDR classes.
    pub const CLASS_SCOPE: u32 = 0x0100_0000;
}
