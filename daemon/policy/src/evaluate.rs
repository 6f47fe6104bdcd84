//! The reference evaluator: says what a set of policies means for one connection, straight from
//! the semantics. It shares policy objects and selectors with the compiler, nothing else.

use std::{net::IpAddr, sync::Arc};

use flowd_abi::{Action, Direction};

use crate::{
    labels::Labels,
    named_ports::NamedPorts,
    object::{
        CidrSet, Destination, Destinations, Entity, PeerSelector, Peers, Policy, PolicyRef, Rule,
        RuleRef, Spec,
    },
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

/// What `policies` say about a connection.
pub fn evaluate<'a>(policies: impl IntoIterator<Item = &'a Policy>, query: &Query<'_>) -> Answer {
    let mut selected = false;
    let (mut allowing, mut denying, mut default_deny) = (Vec::new(), Vec::new(), Vec::new());
    for policy in policies {
        let selecting = policy
            .specs
            .iter()
            .filter(|spec| spec.subject.matches(query.subject) && spec.judges(query.direction));
        for spec in selecting {
            selected = true;
            if spec.default_deny(query.direction) && !default_deny.contains(&policy.reference) {
                default_deny.push(Arc::clone(&policy.reference));
            }
            for rule in matching_rules(spec, query) {
                match rule.reference.action {
                    Action::Allow => allowing.push(rule.reference.clone()),
                    Action::Deny => denying.push(rule.reference.clone()),
                }
            }
        }
    }
    if !selected {
        Answer::Unenforced
    } else if !denying.is_empty() {
        Answer::Denied(denying)
    } else if !allowing.is_empty() {
        Answer::Allowed(allowing)
    } else if default_deny.is_empty() || from_localhost(query) {
        Answer::AllowedByDefault
    } else {
        Answer::DefaultDenied(default_deny)
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
        rule.reference.direction == query.direction
            && peer_matches(&rule.peers, &query.peer)
            && destination_matches(&rule.destinations, query)
    })
}

fn peer_matches(peers: &Peers, peer: &Peer<'_>) -> bool {
    match peers {
        Peers::Any => true,
        Peers::Of(selectors) => selectors.iter().any(|selector| match selector {
            PeerSelector::Labels(selector) => selector.matches(peer.labels),
            PeerSelector::Entity(entity) => entity_matches(*entity, peer.labels),
            PeerSelector::Cidr(set) => is_world(peer.labels) && cidr_matches(set, peer.address),
            PeerSelector::IpBlock(set) => cidr_matches(set, peer.address),
            PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => false,
        }),
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
