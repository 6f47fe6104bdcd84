//! A policy that allows one connection and little else.

use flowd_abi::{
    Direction,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};
use serde_json::{Map, Value, json};

use super::missed::Protocol;
use crate::{
    evaluate::{Query, is_world},
    labels::{
        CLUSTER_KEY, Labels, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX, SOURCE_K8S, SOURCE_RESERVED,
    },
    yaml,
};

/// The YAML of a policy that allows the connection at this end; `None` when the language cannot
/// say so: a protocol without ports, a peer without address and labels, a subject that is no
/// workload. A deny rule still wins over it.
pub fn suggest(query: &Query<'_>) -> Option<String> {
    let namespace = query.subject.labels().namespace()?;
    let (list, far) = match query.direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    };
    let (kind, peers) = peers(query, namespace)?;
    let (what, destinations) = destinations(query)?;
    let mut rule = Map::new();
    rule.insert(format!("{far}{kind}"), peers);
    rule.insert(what.to_owned(), destinations);
    let name = format!("allow-{list}-{}-{}", Protocol(query.protocol), query.port);
    let policy = json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": name.to_ascii_lowercase(), "namespace": namespace},
        "spec": {
            "endpointSelector": match_labels(own_labels(query.subject.labels())),
            list: [rule],
        },
    });
    yaml::write(&policy)
}

fn peers(query: &Query<'_>, namespace: &str) -> Option<(&'static str, Value)> {
    let peer = query.peer;
    if is_world(peer.labels) {
        return Some((
            "CIDR",
            json!([ipnet::IpNet::from(peer.address?).to_string()]),
        ));
    }
    let Some(peer_namespace) = peer.labels.namespace() else {
        let reserved = peer
            .labels
            .iter()
            .find(|label| label.source() == SOURCE_RESERVED)?;
        return Some(("Entities", json!([reserved.key()])));
    };
    let mut labels = own_labels(peer.labels);
    if peer_namespace != namespace {
        let key = format!("{SOURCE_K8S}:{NAMESPACE_KEY}");
        labels.insert(key, json!(peer_namespace));
    }
    Some(("Endpoints", json!([match_labels(labels)])))
}

fn destinations(query: &Query<'_>) -> Option<(&'static str, Value)> {
    let icmp = |family| {
        let fields = json!([{"fields": [{"family": family, "type": query.port}]}]);
        Some(("icmps", fields))
    };
    match query.protocol {
        TCP | UDP | SCTP if query.port > 0 => {
            let protocol = Protocol(query.protocol).to_string();
            let ports = json!([{"port": query.port.to_string(), "protocol": protocol}]);
            Some(("toPorts", json!([{"ports": ports}])))
        }
        ICMP => icmp("IPv4"),
        ICMPV6 => icmp("IPv6"),
        _ => None,
    }
}

fn match_labels(labels: Map<String, Value>) -> Value {
    if labels.is_empty() {
        json!({})
    } else {
        json!({"matchLabels": labels})
    }
}

/// The labels its owner gave the workload.
fn own_labels(labels: &Labels) -> Map<String, Value> {
    labels
        .iter()
        .filter(|label| {
            label.source() == SOURCE_K8S
                && ![NAMESPACE_KEY, CLUSTER_KEY].contains(&label.key())
                && !label.key().starts_with(NAMESPACE_LABELS_PREFIX)
        })
        .map(|label| (label.key().to_owned(), json!(label.value())))
        .collect()
}
