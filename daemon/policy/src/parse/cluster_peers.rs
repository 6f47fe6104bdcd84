//! Subjects and peers of a ClusterNetworkPolicy.

use flowd_abi::Direction;

use super::{cluster_network_policy::bounded, field::Field, names, peers, selector};
use crate::{
    labels::{NAMESPACE_KEY, SOURCE_K8S},
    object::{CidrSet, PeerSelector},
    reference::Effect,
    selector::{Key, Requirement, Selector},
    yaml::Value,
};

/// Peers whose ports have no names.
const NAMELESS: [&str; 3] = ["networks", "nodes", "domainNames"];

/// The workloads a policy is about.
pub(super) fn subject(field: &Field<'_>) -> Option<Selector> {
    let object = field.object(&["namespaces", "pods"], &[])?;
    match (object.get("namespaces"), object.get("pods")) {
        (Some(namespaces), None) => in_namespaces(namespaces),
        (None, Some(both)) => pods(both),
        (None, None) | (Some(_), Some(_)) => {
            field.error("must name one thing", "write one of namespaces and pods");
            None
        }
    }
}

/// The workloads of the namespaces with these labels.
fn in_namespaces(field: &Field<'_>) -> Option<Selector> {
    let somewhere = Requirement::Exists(Key::of(SOURCE_K8S, NAMESPACE_KEY));
    Some(selector::read_namespaces(field)?.and(somewhere))
}

fn pods(field: &Field<'_>) -> Option<Selector> {
    let object = field.object(&["namespaceSelector", "podSelector"], &[])?;
    let everywhere = || {
        let somewhere = Requirement::Exists(Key::of(SOURCE_K8S, NAMESPACE_KEY));
        Some(Selector::default().and(somewhere))
    };
    let namespaces = object
        .get("namespaceSelector")
        .map_or_else(everywhere, in_namespaces);
    let pods = object
        .require(
            "podSelector",
            "write podSelector: {} to mean every workload",
        )
        .and_then(selector::read_pods);
    let (namespaces, pods) = (namespaces?, pods?);
    let both = pods.requirements().chain(namespaces.requirements());
    Some(both.cloned().collect())
}

/// One peer, as everything that selects it; `None` when something was reported about it.
pub(super) fn peer(
    item: &Field<'_>,
    direction: Direction,
    action: Option<Effect>,
) -> Option<Vec<PeerSelector>> {
    const INGRESS: [&str; 2] = ["namespaces", "pods"];
    const EGRESS: [&str; 5] = ["namespaces", "pods", "nodes", "networks", "domainNames"];
    let known: &[&str] = match direction {
        Direction::Ingress => &INGRESS,
        Direction::Egress => &EGRESS,
    };
    let object = item.object(known, &[])?;
    let used: Vec<_> = known
        .iter()
        .filter_map(|name| Some((*name, object.get(name)?)))
        .collect();
    let [(name, field)] = used.as_slice() else {
        item.error(
            "must name one thing",
            format!("write one of {}", known.join(", ")),
        );
        return None;
    };
    match *name {
        "namespaces" => Some(vec![PeerSelector::Labels(in_namespaces(field)?)]),
        "pods" => Some(vec![PeerSelector::Labels(pods(field)?)]),
        "nodes" => Some(
            selector::read_nodes(field)?
                .map(PeerSelector::Labels)
                .to_vec(),
        ),
        "networks" => networks(&bounded(&object, name)?, field),
        _ => domain_names(&bounded(&object, name)?, field, action?),
    }
}

/// Addresses, whoever has them.
fn networks(items: &[Field<'_>], field: &Field<'_>) -> Option<Vec<PeerSelector>> {
    not_empty(items, field)?;
    let blocks: Vec<Option<PeerSelector>> = items
        .iter()
        .map(|item| {
            Some(PeerSelector::IpBlock(CidrSet {
                cidr: peers::prefix(item)?,
                except: Vec::new(),
            }))
        })
        .collect();
    blocks.into_iter().collect()
}

/// Names, which nobody has as long as they are not resolved.
fn domain_names(
    items: &[Field<'_>],
    field: &Field<'_>,
    action: Effect,
) -> Option<Vec<PeerSelector>> {
    not_empty(items, field)?;
    match action {
        Effect::Allow => {}
        Effect::Deny | Effect::Pass => {
            field.refuse("is only for the action Accept", "use networks");
            return None;
        }
    }
    let checked: Vec<Option<()>> = items.iter().map(names::domain).collect();
    checked.into_iter().collect::<Option<()>>()?;
    field.unenforced(
        "is not enforced yet, so these names are not accepted",
        "names are not resolved yet; use networks to accept addresses",
    );
    Some(Vec::new())
}

fn not_empty(items: &[Field<'_>], field: &Field<'_>) -> Option<()> {
    if items.is_empty() {
        field.error("lists nothing", "list at least one, or remove the peer");
        return None;
    }
    Some(())
}

/// Reports a named port in a rule with peers that name no ports.
pub(super) fn must_have_names(port: &Field<'_>, peers: &[Field<'_>]) -> Option<()> {
    for peer in peers {
        let entries = match peer.value() {
            Value::Object(_) => peer.entries().unwrap_or_default(),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => continue,
        };
        let nameless = |(name, _): &(&str, Field<'_>)| NAMELESS.contains(name);
        if let Some((name, _)) = entries.into_iter().find(nameless) {
            port.refuse(
                format!("cannot be combined with {name}: their ports have no names"),
                "write the port's number, or a rule of its own",
            );
            return None;
        }
    }
    Some(())
}
