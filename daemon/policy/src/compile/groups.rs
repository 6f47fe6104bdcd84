//! Peers that get the same entries, and what must be worked out for a peer as a whole.
//!
//! The programs look three keys up, those of the peer's identity, of its class and of any peer, and
//! the entry of the highest precedence wins. That finds the first rule that matches, whichever key
//! it stands under, unless a rule passes: what a pass under one key leaves out may stand under
//! another. So where a rule that passes speaks about a peer, everything that any of its keys says
//! is worked out under its narrowest key, with a precedence that leaves nothing to the others. An
//! identity knows what its own key and any peer's say; a class must also know whose it is.

use std::collections::BTreeMap;

use flowd_abi::{Peer, PolicyKey};

use super::{
    candidates::Candidates,
    parts::{ByPeer, Part},
    ports::Claimant,
    precedence::Level,
};
use crate::world::World;

/// How the entries of a group compare with those of other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// As the rules do.
    AsWritten,
    /// Before those of any peer: everything about the identity is worked out.
    Identity,
    /// Before all others: everything about the class and its identity is worked out.
    Class,
}

impl Rank {
    /// The level of all entries of the group, where it is not that of their rules.
    pub(super) const fn level(self) -> Option<Level> {
        match self {
            Self::AsWritten => None,
            Self::Identity => Some(Level::RESOLVED_IDENTITY),
            Self::Class => Some(Level::RESOLVED_CLASS),
        }
    }
}

/// Peers about which the same is said.
pub(super) type Groups = BTreeMap<(Rank, Vec<Part>), Vec<u32>>;

/// Whose key a peer number is.
enum Owner {
    /// An identity, or any peer.
    Itself,
    /// A class of this identity's addresses.
    Identity(u32),
    /// A class of workloads of which nobody said whose it is.
    Unknown,
}

/// Puts peers with the same entries together.
pub(super) fn groups(candidates: &Candidates<'_>, by_peer: &ByPeer, world: &World) -> Groups {
    let mut groups = Groups::new();
    let passing = candidates.passing();
    for (&peer, own) in by_peer {
        let key = if passing && peer != PolicyKey::ANY_PEER {
            worked_out(candidates, by_peer, peer, own, world)
        } else {
            (Rank::AsWritten, own.clone())
        };
        groups.entry(key).or_default().push(peer);
    }
    groups
}

fn worked_out(
    candidates: &Candidates<'_>,
    by_peer: &ByPeer,
    peer: u32,
    own: &[Part],
    world: &World,
) -> (Rank, Vec<Part>) {
    let of = |peer: u32| by_peer.get(&peer).map(Vec::as_slice).unwrap_or_default();
    let anyone = of(PolicyKey::ANY_PEER);
    let (rank, mut parts) = match owner(peer, world) {
        Owner::Itself => (Rank::Identity, [own, anyone].concat()),
        Owner::Identity(identity) => (Rank::Class, [own, of(identity), anyone].concat()),
        Owner::Unknown => return (Rank::Class, vec![Part::of(Claimant::DefaultDeny)]),
    };
    if !parts.iter().any(|part| candidates.passes(part.claimant)) {
        return (Rank::AsWritten, own.to_vec());
    }
    parts.sort();
    parts.dedup();
    (rank, parts)
}

fn owner(peer: u32, world: &World) -> Owner {
    if world.classes().contains_key(&peer) {
        return Owner::Identity(Peer::WORLD_IDENTITY);
    }
    match world.pod_classes().get(&peer).map(|class| class.owner) {
        None => Owner::Itself,
        Some(Some(identity)) => Owner::Identity(identity),
        Some(None) => Owner::Unknown,
    }
}
