//! Which parts of which rules speak about which peers.

use std::collections::BTreeMap;

use flowd_abi::{Direction, PolicyKey};

use super::{
    CompileError,
    peers::{self, PeerNumbers},
};
use crate::{
    named_ports::NamedPorts,
    object::{Destination, Destinations, PortRange, Rule},
    world::World,
};

/// What one rule says about one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Number of the rule among the candidates.
    pub(super) rule: u32,
    /// Whether what the rule says by number is about this peer. Not so where a rule about anyone
    /// is repeated only for the peers that have a port of the right name.
    pub(super) by_number: bool,
    /// The ports the rule names, as this peer's connection has them.
    pub(super) by_name: Vec<PortRange>,
}

/// Peers about which the same parts speak get the same entries.
pub(super) fn groups(
    candidates: &[&Rule],
    subject: Option<&NamedPorts>,
    world: &mut World,
) -> Result<BTreeMap<Vec<Part>, Vec<u32>>, CompileError> {
    let mut by_peer: BTreeMap<u32, Vec<Part>> = BTreeMap::new();
    for (number, rule) in (0..).zip(candidates) {
        let peers = peers::numbers(rule, world)?;
        let part = |by_number, by_name| Part {
            rule: number,
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
                by_peer
                    .entry(PolicyKey::ANY_PEER)
                    .or_default()
                    .push(everyone);
                if rule.reference.direction == Direction::Egress {
                    for (&peer, ports) in world.named_ports() {
                        let by_name = resolve(rule, Some(ports));
                        if !by_name.is_empty() {
                            by_peer.entry(peer).or_default().push(part(false, by_name));
                        }
                    }
                }
            }
            PeerNumbers::Of(peers) => {
                for peer in peers {
                    by_peer
                        .entry(peer)
                        .or_default()
                        .push(part(true, of_peer(peer, world)));
                }
            }
        }
    }
    let mut groups: BTreeMap<Vec<Part>, Vec<u32>> = BTreeMap::new();
    for (peer, parts) in by_peer {
        groups.entry(parts).or_default().push(peer);
    }
    Ok(groups)
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
