//! Why a connection was not allowed: the allow rules that almost matched and what each missed, and
//! a policy that would allow it.

mod missed;
mod suggest;

use crate::{
    evaluate::Query,
    object::{Destination, Destinations, PeerSelector, Peers, Policy, PortRange, Rule},
    reference::{Effect, RuleRef},
    selector::Selector,
};
pub use missed::Missed;
pub use suggest::suggest;

/// An allow rule that did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule.
    pub rule: RuleRef,
    /// What kept it from matching; never empty.
    pub missed: Vec<Missed>,
}

/// The allow rules that come nearest to matching, nearest first, at most `limit`.
pub fn near_misses<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    query: &Query<'_>,
    limit: usize,
) -> Vec<NearMiss> {
    let specs = policies.into_iter().flat_map(|policy| &policy.specs);
    let rules = specs
        .filter(|spec| spec.subject.matches(query.subject) && spec.judges(query.direction))
        .flat_map(|spec| &spec.rules)
        .filter(|rule| {
            rule.reference.direction == query.direction && rule.reference.action == Effect::Allow
        });
    let mut found: Vec<NearMiss> = rules
        .filter_map(|rule| {
            let missed = missed_by(rule, query);
            (!missed.is_empty()).then(|| NearMiss {
                rule: rule.reference.clone(),
                missed,
            })
        })
        .collect();
    found.sort_by_key(|miss| miss.missed.iter().map(Missed::distance).sum::<u32>());
    found.truncate(limit);
    found
}

fn missed_by(rule: &Rule, query: &Query<'_>) -> Vec<Missed> {
    let mut missed = peer_missed(rule, query);
    missed.extend(destination_missed(rule, query));
    missed
}

/// What the nearest of the rule's peer selectors missed; nothing when one matches.
fn peer_missed(rule: &Rule, query: &Query<'_>) -> Vec<Missed> {
    let selectors = match &rule.peers {
        Peers::Any => return Vec::new(),
        Peers::Of(selectors) => selectors,
    };
    let misses = selectors.iter().map(|selector| match selector {
        PeerSelector::Labels(selector) => labels_missed(selector, query),
        PeerSelector::Entity(entity) => {
            let matches = crate::evaluate::entity_matches(*entity, query.peer.labels);
            if matches {
                Vec::new()
            } else {
                vec![Missed::Entity(*entity)]
            }
        }
        PeerSelector::Cidr(set) => {
            let matches = crate::evaluate::is_world(query.peer.labels)
                && crate::evaluate::cidr_matches(set, query.peer.address);
            let address = query.peer.address;
            if matches {
                Vec::new()
            } else {
                vec![Missed::Address {
                    address,
                    set: set.clone(),
                }]
            }
        }
        PeerSelector::IpBlock(set) => {
            let matches = crate::evaluate::cidr_matches(set, query.peer.address);
            let address = query.peer.address;
            if matches {
                Vec::new()
            } else {
                vec![Missed::Address {
                    address,
                    set: set.clone(),
                }]
            }
        }
        PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => vec![Missed::Nobody],
    });
    let nearest = misses.min_by_key(|missed| missed.iter().map(Missed::distance).sum::<u32>());
    nearest.unwrap_or_else(|| vec![Missed::Nobody])
}

fn labels_missed(selector: &Selector, query: &Query<'_>) -> Vec<Missed> {
    selector
        .requirements()
        .filter(|requirement| {
            let alone: Selector = [(*requirement).clone()].into_iter().collect();
            !alone.matches(query.peer.labels)
        })
        .map(|requirement| Missed::Label {
            requirement: requirement.clone(),
            found: requirement
                .key()
                .values(query.peer.labels)
                .map(str::to_owned)
                .collect(),
        })
        .collect()
}

fn destination_missed(rule: &Rule, query: &Query<'_>) -> Option<Missed> {
    let Destinations::Of(list) = &rule.destinations else {
        return None;
    };
    if crate::evaluate::destination_matches(&rule.destinations, query) {
        return None;
    }
    let protocol = |destination: &&Destination| match destination {
        Destination::Ports(PortRange { protocol, .. }) | Destination::Named { protocol, .. } => {
            *protocol == query.protocol
        }
    };
    let same: Vec<Destination> = list.iter().filter(protocol).cloned().collect();
    Some(if same.is_empty() {
        Missed::Protocol {
            protocol: query.protocol,
            rule: list.clone(),
        }
    } else {
        Missed::Port {
            protocol: query.protocol,
            port: query.port,
            rule: same,
        }
    })
}
