//! How exactly a policy entry matched, in the numbers Hubble uses for `policy_match_type`.

use flowd_abi::PolicyKey;

/// Which of the three look-ups of a peer found the deciding entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedPeer {
    /// The one by identity.
    Identity,
    /// The one by CIDR class.
    Class,
    /// The one for any peer.
    Any,
}

/// What the deciding entry was specific about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MatchType {
    /// No entry matched.
    None = 0,
    /// The peer.
    L3Only = 1,
    /// The peer, the protocol and the port.
    L3L4 = 2,
    /// The protocol and the port.
    L4Only = 3,
    /// Nothing: every peer, every protocol.
    All = 4,
    /// The peer and the protocol.
    L3Proto = 5,
    /// The protocol.
    ProtoOnly = 6,
}

impl MatchType {
    /// From the prefix length of the deciding key and the look-up that found it.
    pub const fn of(prefix: u32, peer: MatchedPeer) -> Self {
        let any = matches!(peer, MatchedPeer::Any);
        if prefix < PolicyKey::PREFIX_PEER {
            return Self::None;
        }
        match (any, prefix) {
            (false, PolicyKey::PREFIX_PEER..PolicyKey::PREFIX_PROTOCOL) => Self::L3Only,
            (true, PolicyKey::PREFIX_PEER..PolicyKey::PREFIX_PROTOCOL) => Self::All,
            (false, PolicyKey::PREFIX_PROTOCOL) => Self::L3Proto,
            (true, PolicyKey::PREFIX_PROTOCOL) => Self::ProtoOnly,
            (false, _) => Self::L3L4,
            (true, _) => Self::L4Only,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hubbles() {
        for (prefix, peer, number) in [
            (0, MatchedPeer::Any, 0),
            (72, MatchedPeer::Identity, 1),
            (96, MatchedPeer::Class, 2),
            (81, MatchedPeer::Any, 3),
            (72, MatchedPeer::Any, 4),
            (80, MatchedPeer::Class, 5),
            (80, MatchedPeer::Any, 6),
        ] {
            assert_eq!(
                MatchType::of(prefix, peer).number(),
                number,
                "{prefix} {peer:?}"
            );
        }
    }
}
