//! The reference evaluator: says what a set of policies means for one connection, straight from
//! the semantics. It shares policy objects and selectors with the compiler, nothing else.

use std::{net::IpAddr, sync::Arc};

use flowd_abi::Direction;

use crate::{
    labels::Labels,
    named_ports::NamedPorts,
    object::{CidrSet, Destination, Destinations, Entity, PeerSelector, Peers, Policy, Rule, Spec},
    reference::{Effect, PolicyRef, RuleRef, Tier},
    set::Options,
    subject::Subject,
};

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its labels; an address of the world has `reserved:world`.
    pub labels: &'a Labels,
    /// Its address, when it has one that matters.
    pub address: Option<IpAddr>,
}

/// One connection, seen from the subject.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The one whose policy is asked.
    pub subject: Subject<'a>,
    /// The side of the subject the connection is on.
    pub direction: Direction,
    /// The other end.
    pub peer: Peer<'a>,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination port, or ICMP type.
    pub port: u16,
    /// The named ports of the receiving end, when they are known.
    pub named_ports: Option<&'a NamedPorts>,
    /// What holds besides the policies.
    pub options: Options,
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These rules allow it, and none denies it.
    Allowed(Vec<RuleRef>),
    /// No rule speaks, and no policy asks for default deny, or
    /// [`Options::allow_localhost`] lets it in.
    AllowedByDefault,
    /// These rules deny it.
    Denied(Vec<RuleRef>),
    /// No rule allows it, and these policies deny what no rule allows.
    DefaultDenied(Vec<Arc<PolicyRef>>),
    /// No policy selects the subject in this direction.
    Unenforced,
}

impl Answer {
    /// Whether the connection may be made, as far as this end is concerned.
    pub const fn is_allowed(&self) -> bool {
        match self {
            Self::Allowed(_) | Self::AllowedByDefault | Self::Unenforced => true,
            Self::Denied(_) | Self::DefaultDenied(_) => false,
        }
    }
}

/// A spec with the policy it belongs to.
type Judging<'a> = (&'a Policy, &'a Spec);

/// What `policies` say about a connection.
///
/// The tier Admin is asked first, then the policies without a tier, then the tier Baseline. The
/// first that decides is the answer; what nobody decides is allowed.
pub fn evaluate<'a>(policies: impl IntoIterator<Item = &'a Policy>, query: &Query<'_>) -> Answer {
    let judging: Vec<Judging<'a>> = policies
        .into_iter()
        .flat_map(|policy| policy.specs.iter().map(move |spec| (policy, spec)))
        .filter(|(_, spec)| spec.subject.matches(query.subject) && spec.judges(query.direction))
        .collect();
    if judging.is_empty() {
        return Answer::Unenforced;
    }
    in_order(Tier::Admin, &judging, query)
        .or_else(|| together(&judging, query))
        .or_else(|| in_order(Tier::Baseline, &judging, query))
        .unwrap_or(Answer::AllowedByDefault)
}

/// What a tier of ordered policies decides: by priority, then by the order of the policies' names,
/// then rule by rule, the first that matches. One that passes ends the tier.
fn in_order(tier: Tier, judging: &[Judging<'_>], query: &Query<'_>) -> Option<Answer> {
    let mut of_tier: Vec<&Judging<'_>> = judging
        .iter()
        .filter(|(policy, _)| policy.reference.turn.tier == tier)
        .collect();
    of_tier.sort_by_key(|(policy, _)| (policy.reference.turn.priority, &policy.reference));
    let rules = of_tier
        .into_iter()
        .flat_map(|(_, spec)| matching_rules(spec, query));
    let first = &rules.into_iter().next()?.reference;
    match first.action {
        Effect::Allow => Some(Answer::Allowed(vec![first.clone()])),
        Effect::Deny => Some(Answer::Denied(vec![first.clone()])),
        Effect::Pass => None,
    }
}

/// What the policies without a tier decide, all of them together: a deny wins, then an allow, then
/// whoever denies what no rule allows.
fn together(judging: &[Judging<'_>], query: &Query<'_>) -> Option<Answer> {
    let (mut allowing, mut denying, mut default_deny) = (Vec::new(), Vec::new(), Vec::new());
    let normal = judging
        .iter()
        .filter(|(policy, _)| policy.reference.turn.tier == Tier::Normal);
    for (policy, spec) in normal {
        if spec.default_deny(query.direction) && !default_deny.contains(&policy.reference) {
            default_deny.push(Arc::clone(&policy.reference));
        }
        for rule in matching_rules(spec, query) {
            match rule.reference.action {
                Effect::Allow => allowing.push(rule.reference.clone()),
                Effect::Deny => denying.push(rule.reference.clone()),
                Effect::Pass => {}
            }
        }
    }
    if !denying.is_empty() {
        Some(Answer::Denied(denying))
    } else if !allowing.is_empty() {
        Some(Answer::Allowed(allowing))
    } else if default_deny.is_empty() {
        None
    } else if from_localhost(query) {
        Some(Answer::AllowedByDefault)
    } else {
        Some(Answer::DefaultDenied(default_deny))
    }
}

/// Whether the host talks to one of its workloads, and may.
fn from_localhost(query: &Query<'_>) -> bool {
    let to_workload = match query.subject {
        Subject::Endpoint { .. } => query.direction == Direction::Ingress,
        Subject::Node { .. } => false,
    };
    to_workload && query.options.allow_localhost && query.peer.labels.is_reserved("host")
}

fn matching_rules<'a>(spec: &'a Spec, query: &Query<'_>) -> impl Iterator<Item = &'a Rule> {
    spec.rules.iter().filter(move |rule| {
        rule.reference.direction == query.direction && rule_matches(rule, query)
    })
}

fn rule_matches(rule: &Rule, query: &Query<'_>) -> bool {
    match &rule.peers {
        Peers::Any => destination_matches(&rule.destinations, query),
        Peers::Of(selectors) => selectors.iter().any(|selector| {
            selects(selector, &query.peer)
                && destination_matches(&rule.destinations, &meant(selector, query))
        }),
    }
}

/// A rule that means its peers by address means no workload, so it knows no names of their ports.
fn meant<'a>(selector: &PeerSelector, query: &Query<'a>) -> Query<'a> {
    let named_ports = match (selector, query.direction) {
        (PeerSelector::IpBlock(_) | PeerSelector::Cidr(_), Direction::Egress) => None,
        (
            PeerSelector::IpBlock(_)
            | PeerSelector::Cidr(_)
            | PeerSelector::Labels(_)
            | PeerSelector::Entity(_)
            | PeerSelector::CidrGroup(_)
            | PeerSelector::Services(_),
            Direction::Ingress | Direction::Egress,
        ) => query.named_ports,
    };
    Query {
        named_ports,
        ..*query
    }
}

fn selects(selector: &PeerSelector, peer: &Peer<'_>) -> bool {
    match selector {
        PeerSelector::Labels(selector) => selector.matches(peer.labels),
        PeerSelector::Entity(entity) => entity_matches(*entity, peer.labels),
        PeerSelector::Cidr(set) => is_world(peer.labels) && cidr_matches(set, peer.address),
        PeerSelector::IpBlock(set) => cidr_matches(set, peer.address),
        PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => false,
    }
}

pub(crate) fn is_world(labels: &Labels) -> bool {
    labels.is_reserved("world")
}

pub(crate) fn entity_matches(entity: Entity, labels: &Labels) -> bool {
    match entity {
        Entity::All => true,
        Entity::World => is_world(labels),
        Entity::Host => labels.is_reserved("host"),
        Entity::RemoteNode => labels.is_reserved("remote-node"),
        Entity::KubeApiserver => labels.is_reserved("kube-apiserver"),
        Entity::Health => labels.is_reserved("health"),
        Entity::Init => labels.is_reserved("init"),
        Entity::Ingress => labels.is_reserved("ingress"),
        Entity::Unmanaged => labels.is_reserved("unmanaged"),
        Entity::Cluster => {
            let nodes = [
                "host",
                "remote-node",
                "init",
                "ingress",
                "health",
                "unmanaged",
                "kube-apiserver",
            ];
            nodes.into_iter().any(|name| labels.is_reserved(name))
                || labels
                    .iter()
                    .any(|label| label.to_string() == "k8s:io.cilium.k8s.policy.cluster=default")
        }
        Entity::None => false,
    }
}

pub(crate) fn cidr_matches(set: &CidrSet, address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| {
        set.cidr.contains(&address) && !set.except.iter().any(|except| except.contains(&address))
    })
}

pub(crate) fn destination_matches(destinations: &Destinations, query: &Query<'_>) -> bool {
    match destinations {
        Destinations::Any => true,
        Destinations::Of(list) => list.iter().any(|destination| match destination {
            Destination::Ports(range) => range.contains(query.protocol, query.port),
            Destination::Named { protocol, name } => {
                *protocol == query.protocol
                    && query.named_ports.is_some_and(|ports| {
                        ports.get(*protocol, name).any(|port| port == query.port)
                    })
            }
        }),
    }
}
