//! Which parts of which rules speak about which peers.

use std::collections::BTreeSet;

use flowd_abi::{Direction, PolicyKey};

use super::{
    CompileError,
    candidates::Candidates,
    peers::{self, PeerNumbers},
    ports::Claimant,
};
use crate::{
    named_ports::NamedPorts,
    object::{Destination, Destinations, PortRange, Rule},
    world::World,
};

/// What one claimant says about one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Whose it is.
    pub(super) claimant: Claimant,
    /// Whether what the rule says by number is about this peer. Not so where a rule about anyone
    /// is repeated only for the peers that have a port of the right name.
    pub(super) by_number: bool,
    /// The ports the rule names, as this peer's connection has them.
    pub(super) by_name: Vec<PortRange>,
}

impl Part {
    /// What is claimed for all protocols and ports.
    pub(super) const fn of(claimant: Claimant) -> Self {
        Self {
            claimant,
            by_number: true,
            by_name: Vec::new(),
        }
    }
}

/// What is said about each peer.
#[derive(Debug, Default)]
pub(super) struct ByPeer {
    /// Sorted by peer, what is said of one side by side.
    peers: Vec<u32>,
    parts: Vec<Part>,
}

impl ByPeer {
    fn new(mut said: Vec<(u32, Part)>) -> Self {
        // Stable: what is said of one peer stays in the order of the rules. Each rule's peers are
        // sorted already, which makes it cheap.
        said.sort_by_key(|(peer, _)| *peer);
        let (peers, parts) = said.into_iter().unzip();
        Self { peers, parts }
    }

    /// The peers with what is said about them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &[Part])> {
        let mut from = 0;
        self.peers.chunk_by(PartialEq::eq).filter_map(move |same| {
            let to = from + same.len();
            let parts = self.parts.get(from..to);
            from = to;
            Some((*same.first()?, parts?))
        })
    }

    /// What is said about a peer.
    pub(super) fn of(&self, peer: u32) -> &[Part] {
        let from = self.peers.partition_point(|other| *other < peer);
        let to = self.peers.partition_point(|other| *other <= peer);
        self.parts.get(from..to).unwrap_or_default()
    }
}

/// What holds besides the rules.
pub(super) struct Besides {
    /// For everyone no rule speaks about.
    pub(super) everyone: Option<Claimant>,
    /// Who is let in where no rule speaks about them.
    pub(super) let_in: BTreeSet<u32>,
}

/// What the candidates, and what holds besides them, say about each peer.
pub(super) fn by_peer(
    candidates: &Candidates<'_>,
    besides: &Besides,
    subject: Option<&NamedPorts>,
    world: &mut World,
) -> Result<ByPeer, CompileError> {
    let mut said = Vec::new();
    for (number, rule) in candidates.rules() {
        let peers = peers::numbers(rule, world)?;
        let part = |by_number, by_name| Part {
            claimant: Claimant::Rule(number),
            by_number,
            by_name,
        };
        let of_peer = |peer: u32, world: &World| match rule.reference.direction {
            Direction::Ingress => resolve(rule, subject),
            Direction::Egress => resolve(rule, world.named_ports().get(&peer)),
        };
        match peers {
            PeerNumbers::Any => {
                let everyone = part(true, of_peer(PolicyKey::ANY_PEER, world));
                said.push((PolicyKey::ANY_PEER, everyone));
                if rule.reference.direction == Direction::Egress {
                    for (&peer, ports) in world.named_ports() {
                        let by_name = resolve(rule, Some(ports));
                        if !by_name.is_empty() {
                            said.push((peer, part(false, by_name)));
                        }
                    }
                }
            }
            PeerNumbers::Of(peers) => {
                let parts = peers.into_iter();
                said.extend(parts.map(|peer| (peer, part(true, of_peer(peer, world)))));
            }
        }
    }
    for &peer in &besides.let_in {
        said.push((peer, Part::of(Claimant::Localhost)));
    }
    if let Some(claimant) = besides.everyone {
        said.push((PolicyKey::ANY_PEER, Part::of(claimant)));
    }
    Ok(ByPeer::new(said))
}

/// The ports a rule names, as their owner numbers them.
fn resolve(rule: &Rule, owner: Option<&NamedPorts>) -> Vec<PortRange> {
    let (Destinations::Of(list), Some(owner)) = (&rule.destinations, owner) else {
        return Vec::new();
    };
    list.iter()
        .flat_map(|destination| match destination {
            Destination::Ports(_) => Vec::new(),
            Destination::Named { protocol, name } => owner
                .get(*protocol, name)
                .map(|port| PortRange::one(*protocol, port))
                .collect(),
        })
        .collect()
}
