//! The spec of a Kubernetes NetworkPolicy, with the defaults an API server would have filled in.

use std::sync::Arc;

use flowd_abi::{
    Direction,
    protocol::{SCTP, TCP, UDP},
};

use super::{
    field::{Field, Object},
    peers,
    ports::{self, Port},
    selector,
};
use crate::{
    labels::{NAMESPACE_KEY, SOURCE_K8S},
    object::{Destination, Destinations, PeerSelector, Peers, PortRange, Rule, Spec},
    reference::{Effect, PolicyRef, RuleRef},
    selector::{Key, Requirement, Selector},
    subject::Subjects,
    syntax,
};

/// Reads the spec; `None` when something was reported about it.
pub(super) fn read(field: &Field<'_>, policy: &Arc<PolicyRef>) -> Option<Spec> {
    let spec = field.object(&["podSelector", "policyTypes", "ingress", "egress"], &[])?;
    let subject = match spec.get("podSelector") {
        None => Some(Selector::default()),
        Some(selector) => selector::read_pods(selector),
    };
    let (ingress, egress) = types(&spec)?;
    let mut rules = Vec::new();
    for (name, direction, judged) in [
        ("ingress", Direction::Ingress, ingress),
        ("egress", Direction::Egress, egress),
    ] {
        let items = spec.items(name).unwrap_or_default();
        if let Some(field) = spec.get(name).filter(|_| !judged && !items.is_empty()) {
            field.warning(
                "is ignored: policyTypes does not name this direction",
                "add the direction to policyTypes, or remove the rules",
            );
        }
        for (index, item) in (0..).zip(&items) {
            rules.extend(rule(item, policy, direction, index).filter(|_| judged));
        }
    }
    Some(Spec {
        subject: Subjects::Endpoints(subject?.and(in_namespace(policy))),
        default_deny_ingress: ingress,
        default_deny_egress: egress,
        judges_ingress: ingress,
        judges_egress: egress,
        rules,
    })
}

/// Without policyTypes a policy is about ingress, and about egress when it has egress rules.
fn types(spec: &Object<'_>) -> Option<(bool, bool)> {
    let items = spec.items("policyTypes").unwrap_or_default();
    if items.is_empty() {
        let egress = spec.items("egress").is_some_and(|rules| !rules.is_empty());
        return Some((true, egress));
    }
    let (mut ingress, mut egress) = (false, false);
    for item in items {
        match item.text()? {
            "Ingress" => ingress = true,
            "Egress" => egress = true,
            other => {
                item.error(
                    format!("{:?} is not a policy type", syntax::shorten(other)),
                    "use Ingress or Egress",
                );
                return None;
            }
        }
    }
    Some((ingress, egress))
}

fn in_namespace(policy: &PolicyRef) -> Requirement {
    let namespace = policy.namespace.as_deref().unwrap_or_default();
    Requirement::equals(Key::of(SOURCE_K8S, NAMESPACE_KEY), namespace)
}

fn rule(
    field: &Field<'_>,
    policy: &Arc<PolicyRef>,
    direction: Direction,
    index: u32,
) -> Option<Rule> {
    let far = match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let rule = field.object(&[far, "ports"], &[])?;
    let peers: Vec<Option<PeerSelector>> = rule
        .items(far)
        .unwrap_or_default()
        .iter()
        .map(|item| peer(item, policy))
        .collect();
    let ports: Vec<Option<Destination>> = rule
        .items("ports")
        .unwrap_or_default()
        .iter()
        .map(port)
        .collect();
    let peers = peers.into_iter().collect::<Option<Vec<_>>>();
    let ports = ports.into_iter().collect::<Option<Vec<_>>>();
    let (peers, ports) = (peers?, ports?);
    Some(Rule {
        reference: RuleRef {
            policy: Arc::clone(policy),
            spec: None,
            direction,
            action: Effect::Allow,
            index,
            line: field.line(),
            log: None,
        },
        // Nothing listed is everything meant: the opposite of a Cilium policy.
        peers: if peers.is_empty() {
            Peers::Any
        } else {
            Peers::Of(peers)
        },
        destinations: if ports.is_empty() {
            Destinations::Any
        } else {
            Destinations::Of(ports)
        },
    })
}

fn peer(item: &Field<'_>, policy: &PolicyRef) -> Option<PeerSelector> {
    let object = item.object(&["podSelector", "namespaceSelector", "ipBlock"], &[])?;
    let [pods, namespaces, block] =
        ["podSelector", "namespaceSelector", "ipBlock"].map(|name| object.get(name));
    match (pods, namespaces, block) {
        (None, None, Some(block)) => {
            let block = block.object(&["cidr", "except"], &[])?;
            Some(PeerSelector::IpBlock(peers::cidr_set(&block)?))
        }
        (_, _, Some(block)) => {
            block.refuse(
                "cannot be combined with a selector in one peer",
                "make it a list item of its own",
            );
            None
        }
        (None, None, None) => {
            item.error(
                "names no peer",
                "write podSelector, namespaceSelector or ipBlock; leave the list out to mean everyone",
            );
            None
        }
        (pods, namespaces, None) => {
            let namespaces = match namespaces {
                None => Selector::default().and(in_namespace(policy)),
                Some(field) => {
                    let any = Requirement::Exists(Key::of(SOURCE_K8S, NAMESPACE_KEY));
                    selector::read_namespaces(field)?.and(any)
                }
            };
            let pods = match pods {
                None => Selector::default(),
                Some(field) => selector::read_pods(field)?,
            };
            let both = pods.requirements().chain(namespaces.requirements());
            Some(PeerSelector::Labels(both.cloned().collect()))
        }
    }
}

fn port(field: &Field<'_>) -> Option<Destination> {
    let object = field.object(&["protocol", "port", "endPort"], &[])?;
    let protocol = match object.get("protocol") {
        None => TCP,
        Some(field) => match field.text()? {
            "TCP" => TCP,
            "UDP" => UDP,
            "SCTP" => SCTP,
            other => {
                field.error(
                    format!("{:?} is not a protocol", syntax::shorten(other)),
                    "use TCP, UDP or SCTP",
                );
                return None;
            }
        },
    };
    let Some(port) = object.get("port") else {
        if let Some(end) = object.get("endPort") {
            end.refuse("has no port to start from", "write the first port as port");
            return None;
        }
        return Some(Destination::Ports(PortRange::all(protocol)));
    };
    match (ports::number_or_name(port)?, object.get("endPort")) {
        (Port::Number(0), _) => {
            port.error("0 is not a port", "leave port out to mean every port");
            None
        }
        (Port::Name(name), None) => Some(Destination::Named { protocol, name }),
        (Port::Name(_), Some(end)) => {
            end.refuse(
                "a named port has no range",
                "remove endPort, or write the port's number",
            );
            None
        }
        (Port::Number(first), None) => Some(Destination::Ports(PortRange::one(protocol, first))),
        (Port::Number(first), Some(field)) => {
            let last = ports::end(field)?;
            if last < first {
                field.error(format!("is below port {first}"), "swap port and endPort");
                return None;
            }
            Some(Destination::Ports(PortRange {
                protocol,
                first,
                last,
            }))
        }
    }
}
