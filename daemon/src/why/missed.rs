//! What kept a rule from matching, with a guess at what was meant.

use flowd_abi::protocol::{ICMP, ICMPV6};
use flowd_policy::{
    CidrSet, Destination, Missed, PortRange, Query, Requirement, labels::NAMESPACE_KEY,
};
use flowd_proto::flowd::v1::{Missed as Told, MissedField};

use super::close;
use super::connection::protocol_name;

/// A port this far outside a range was probably meant to be inside.
const JUST_OUTSIDE: u16 = 10;

/// One thing that did not match, and how far the rule is from matching because of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Miss {
    pub(super) told: Told,
    pub(super) distance: u32,
}

impl Miss {
    pub(super) fn new(field: MissedField, what: String, hint: Option<String>, far: u32) -> Self {
        Self {
            // What looks like a slip comes first.
            distance: if hint.is_some() { far.div_ceil(3) } else { far },
            told: Told {
                field: field as i32,
                what,
                hint: hint.unwrap_or_default(),
            },
        }
    }
}

/// A miss of a rule, told.
pub(super) fn miss(missed: &Missed, query: &Query<'_>) -> Miss {
    let what = missed.to_string();
    match missed {
        Missed::Label { requirement, found } => {
            let mut miss = Miss::new(
                MissedField::PeerLabel,
                what,
                label_slip(requirement, found, query.peer.labels),
                6,
            );
            let namespace = requirement.key().name == NAMESPACE_KEY && !found.is_empty();
            if miss.told.hint.is_empty() && namespace {
                miss.told.hint = format!(
                    "a rule means the namespace of its policy; for another one its matchLabels \
                     name k8s:{NAMESPACE_KEY}"
                );
            }
            miss
        }
        Missed::Entity(_) => Miss::new(MissedField::PeerEntity, what, None, 12),
        Missed::Address { address, set } => {
            let hint = address.and_then(|address| address_hint(address, set));
            Miss::new(MissedField::PeerAddress, what, hint, 12)
        }
        Missed::Nobody => Miss::new(MissedField::PeerNobody, what, None, 40),
        Missed::Protocol { rule, .. } => {
            let hint = other_protocol(rule, query.port);
            Miss::new(MissedField::Protocol, what, hint, 4)
        }
        Missed::Port {
            protocol,
            port,
            rule,
        } => {
            let hint = port_hint(*protocol, *port, rule, query);
            Miss::new(MissedField::Port, what, hint, 3)
        }
    }
}

/// A value, or a key, that is one slip away from what is asked for.
pub(super) fn label_slip(
    requirement: &Requirement,
    found: &[String],
    labels: &flowd_policy::Labels,
) -> Option<String> {
    let key = &requirement.key().name;
    let values = match requirement {
        Requirement::In(_, values) => Some(values),
        Requirement::Exists(_) => None,
        Requirement::NotIn(..) | Requirement::DoesNotExist(_) => return None,
    };
    let slip = found.iter().find_map(|value| {
        let mut wanted = values.into_iter().flatten();
        let wanted = wanted.find(|wanted| close::one_off(value, wanted))?;
        Some(format!(
            "{key}={value} is one character off {key}={wanted}: a slip?"
        ))
    });
    slip.or_else(|| {
        let mut others = labels.iter().filter(|_| found.is_empty());
        let other = others.find(|label| close::one_off(label.key(), key))?;
        Some(format!(
            "the label {} is one character off {key}: a slip?",
            other.key()
        ))
    })
}

fn address_hint(address: std::net::IpAddr, set: &CidrSet) -> Option<String> {
    if let Some(except) = set.except.iter().find(|except| except.contains(&address)) {
        return Some(format!("{address} is excepted by {except}"));
    }
    if set.cidr.contains(&address) {
        return Some(format!(
            "{address} belongs to a workload or to the host; CIDR rules of Cilium policies mean \
             neither: select it by its labels"
        ));
    }
    let wider = set.cidr.supernet()?;
    (wider.prefix_len() > 0 && wider.contains(&address))
        .then(|| format!("{address} is in the block beside it: {wider} holds both"))
}

fn ranges(rule: &[Destination]) -> impl Iterator<Item = &PortRange> {
    rule.iter().filter_map(|destination| match destination {
        Destination::Ports(range) => Some(range),
        Destination::Named { .. } => None,
    })
}

fn other_protocol(rule: &[Destination], port: u16) -> Option<String> {
    let range = ranges(rule).find(|range| range.contains(range.protocol, port))?;
    let icmp = [ICMP, ICMPV6].contains(&range.protocol);
    let name = protocol_name(range.protocol);
    (!icmp && !range.is_all()).then(|| format!("port {port} is covered for {name}"))
}

fn port_hint(protocol: u8, port: u16, rule: &[Destination], query: &Query<'_>) -> Option<String> {
    let near = ranges(rule)
        .map(|range| {
            let (above, below) = (
                port.saturating_sub(range.last),
                range.first.saturating_sub(port),
            );
            (above.max(below), above > 0, range)
        })
        .min_by_key(|(distance, ..)| *distance)
        .filter(|(distance, ..)| *distance <= JUST_OUTSIDE);
    if let Some((distance, above, range)) = near
        && ![ICMP, ICMPV6].contains(&protocol)
    {
        let side = if above { "above" } else { "below" };
        let PortRange { first, last, .. } = range;
        return Some(if first == last {
            format!("{port} is {distance} {side} {first}")
        } else {
            format!("{port} is {distance} {side} the range {first}-{last}")
        });
    }
    rule.iter().find_map(|destination| match destination {
        Destination::Ports(_) => None,
        Destination::Named { name, .. } => {
            let known = query
                .named_ports
                .and_then(|ports| ports.get(protocol, name).next());
            Some(known.map_or_else(
                || format!("the receiving workload has no port named {name}"),
                |known| format!("{name} is port {known} of the receiving workload"),
            ))
        }
    })
}
