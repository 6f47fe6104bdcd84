//! The values of context labels, from the parties of a flow.

use flowd_abi::Direction;

use super::contexts::direction_name;
use super::plugin::{ContextLabel, ContextSpec, Identifier, Part, SideSpec};
use crate::enrich::{Party, reserved};
use crate::flow::Record;
use crate::flow::record::Side;

/// Labels that name an application, best first.
const APP_KEYS: [&str; 3] = ["app.kubernetes.io/name", "k8s-app", "app"];
/// The reserved label that says most.
const API_SERVER: &str = "reserved:kube-apiserver";

/// The values of a record's labels, in the order of [`ContextSpec::names`].
pub(super) fn values(spec: &ContextSpec, record: &Record) -> Vec<Box<str>> {
    let single = spec.labels.iter().map(|label| single(*label, record));
    let sides = [
        (Side::Source, &spec.source),
        (Side::Destination, &spec.destination),
    ];
    let chained = sides
        .into_iter()
        .filter_map(|(side, spec)| spec.as_ref().map(|spec| first_known(spec, record, side)));
    single.chain(chained).map(String::into_boxed_str).collect()
}

fn single(label: ContextLabel, record: &Record) -> String {
    match label {
        ContextLabel::Source(what) => part(what, record, Side::Source),
        ContextLabel::Destination(what) => part(what, record, Side::Destination),
        ContextLabel::TrafficDirection => {
            direction_name(record.judged.judged_direction()).to_owned()
        }
    }
}

fn part(part: Part, record: &Record, side: Side) -> String {
    let party = record.party(side);
    let owner = party.workloads.first();
    match part {
        Part::Ip => ip(record, side),
        Part::Pod => party.name.clone(),
        Part::Namespace => party.namespace.clone(),
        Part::Workload => owner.map_or_else(String::new, |owner| owner.name.clone()),
        Part::WorkloadKind => owner.map_or_else(String::new, |owner| owner.kind.clone()),
        Part::App => app(party),
    }
}

fn first_known(spec: &SideSpec, record: &Record, side: Side) -> String {
    let by_direction = match record.judged.judged_direction() {
        Direction::Egress => &spec.egress,
        Direction::Ingress => &spec.ingress,
    };
    let chain = by_direction.as_ref().unwrap_or(&spec.base);
    chain
        .iter()
        .map(|identifier| identify(*identifier, record, side))
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}

fn identify(identifier: Identifier, record: &Record, side: Side) -> String {
    let party = record.party(side);
    let owner = party.workloads.first().map(|owner| owner.name.as_str());
    match identifier {
        Identifier::Identity => party.labels.join(","),
        Identifier::Namespace => party.namespace.clone(),
        Identifier::Pod => within(party, &party.name),
        Identifier::PodName => party.name.clone(),
        // Flows have no names that were resolved.
        Identifier::Dns => String::new(),
        Identifier::Ip => ip(record, side),
        Identifier::ReservedIdentity => reserved_identity(party),
        Identifier::Workload => owner.map_or_else(String::new, |owner| within(party, owner)),
        Identifier::WorkloadName => owner.unwrap_or_default().to_owned(),
        Identifier::App => app(party),
    }
}

fn within(party: &Party, name: &str) -> String {
    if name.is_empty() || party.namespace.is_empty() {
        return name.to_owned();
    }
    format!("{}/{name}", party.namespace)
}

fn ip(record: &Record, side: Side) -> String {
    let ip = record.judged.ip(side);
    ip.map_or_else(String::new, |ip| ip.to_string())
}

fn reserved_identity(party: &Party) -> String {
    let reserved = |label: &&String| label.starts_with(reserved::PREFIX);
    let mut labels = party.labels.iter().filter(reserved);
    let best = labels.clone().find(|label| *label == API_SERVER);
    best.or_else(|| labels.next()).cloned().unwrap_or_default()
}

fn app(party: &Party) -> String {
    let value = |key| party.label_set.values(None, key).next();
    let found = APP_KEYS.into_iter().find_map(value);
    found.unwrap_or_default().to_owned()
}
