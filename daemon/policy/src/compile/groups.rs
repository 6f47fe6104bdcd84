//! Peers that get the same entries, and what must be worked out for a peer as a whole.
//!
//! The programs look three keys up, those of the peer's identity, of its class and of any peer, and
//! the entry of the highest precedence wins. That finds the first rule that matches, whichever key
//! it stands under, unless a rule passes: what a pass under one key leaves out may stand under
//! another. So where a rule that passes speaks about a peer, everything that any of its keys says
//! is worked out under its narrowest key, with a precedence that leaves nothing to the others. An
//! identity knows what its own key and any peer's say; a class must also know whose it is.

use std::{borrow::Cow, collections::BTreeMap};

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
pub(super) type Groups<'a> = BTreeMap<(Rank, Cow<'a, [Part]>), Vec<u32>>;

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
pub(super) fn groups<'a>(
    candidates: &Candidates<'_>,
    by_peer: &'a ByPeer,
    world: &World,
) -> Groups<'a> {
    let mut groups = Groups::new();
    let passing = candidates.passing();
    for (peer, own) in by_peer.iter() {
        let key = if passing && peer != PolicyKey::ANY_PEER {
            worked_out(candidates, by_peer, peer, own, world)
        } else {
            (Rank::AsWritten, Cow::Borrowed(own))
        };
        groups.entry(key).or_default().push(peer);
    }
    groups
}

fn worked_out<'a>(
    candidates: &Candidates<'_>,
    by_peer: &'a ByPeer,
    peer: u32,
    own: &'a [Part],
    world: &World,
) -> (Rank, Cow<'a, [Part]>) {
    let anyone = by_peer.of(PolicyKey::ANY_PEER);
    let (rank, mut parts) = match owner(peer, world) {
        Owner::Itself => (Rank::Identity, [own, anyone].concat()),
        Owner::Identity(identity) => (Rank::Class, [own, by_peer.of(identity), anyone].concat()),
        Owner::Unknown => return (Rank::Class, vec![Part::of(Claimant::DefaultDeny)].into()),
    };
    if !parts.iter().any(|part| candidates.passes(part.claimant)) {
        return (Rank::AsWritten, Cow::Borrowed(own));
    }
    parts.sort();
    parts.dedup();
    (rank, parts.into())
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
