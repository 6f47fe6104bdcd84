//! The spec of a Kubernetes ClusterNetworkPolicy: its turn, its subject, its ordered rules.

use std::sync::Arc;

use flowd_abi::{
    Direction,
    protocol::{SCTP, TCP, UDP},
};

use super::{
    cluster_peers,
    field::{Field, Object},
    ports::{self, Port},
};
use crate::{
    object::{Destination, Destinations, PeerSelector, Peers, PortRange, Rule, Spec},
    reference::{Effect, PolicyRef, RuleRef, Tier, Turn},
    subject::Subjects,
    syntax,
    yaml::Value,
};

/// The largest priority.
const MAX_PRIORITY: u16 = 1000;
/// More rules, peers, prefixes or protocols in one list than the language allows.
pub(super) const MAX_ITEMS: usize = 25;
/// A longer rule name than the language allows.
const MAX_NAME: usize = 100;

const FIELDS: [&str; 5] = ["tier", "priority", "subject", "ingress", "egress"];

/// Reads tier and priority; `None` when something was reported about them.
pub(super) fn turn(field: &Field<'_>) -> Option<Turn> {
    // What else there is in the spec is looked at by `read`.
    let Value::Object(_) = field.value() else {
        return None;
    };
    let spec = field.known(&FIELDS)?;
    let tier = spec
        .require("tier", "write Admin or Baseline")
        .and_then(tier);
    let priority = spec
        .require("priority", "write a number from 0 to 1000")
        .and_then(priority);
    Some(Turn {
        tier: tier?,
        priority: priority?,
    })
}

fn tier(field: &Field<'_>) -> Option<Tier> {
    match field.text()? {
        "Admin" => Some(Tier::Admin),
        "Baseline" => Some(Tier::Baseline),
        other => {
            field.error(
                format!("{:?} is not a tier", syntax::shorten(other)),
                "use Admin or Baseline",
            );
            None
        }
    }
}

fn priority(field: &Field<'_>) -> Option<u16> {
    if let Value::Integer(number) = field.value()
        && let Ok(number) = u16::try_from(*number)
        && number <= MAX_PRIORITY
    {
        return Some(number);
    }
    field.error(
        "is not a priority",
        format!("write a number from 0 to {MAX_PRIORITY}; the smaller is asked first"),
    );
    None
}

/// Reads the spec; `None` when something was reported about it.
pub(super) fn read(field: &Field<'_>, policy: &Arc<PolicyRef>) -> Option<Spec> {
    let spec = field.object(&FIELDS, &[])?;
    let subject = spec
        .require("subject", "write namespaces or pods")
        .and_then(cluster_peers::subject);
    let mut rules = Vec::new();
    for (name, direction) in [
        ("ingress", Direction::Ingress),
        ("egress", Direction::Egress),
    ] {
        let items = bounded(&spec, name).unwrap_or_default();
        for (index, item) in (0..).zip(&items) {
            rules.extend(rule(item, policy, direction, index));
        }
    }
    if rules.is_empty() && !field.report().has_errors() {
        field.warning(
            "has no rule, so it decides nothing",
            "give ingress or egress a rule",
        );
    }
    let has = |direction| {
        rules
            .iter()
            .any(|rule| rule.reference.direction == direction)
    };
    Some(Spec {
        subject: Subjects::Endpoints(subject?),
        default_deny_ingress: false,
        default_deny_egress: false,
        judges_ingress: has(Direction::Ingress),
        judges_egress: has(Direction::Egress),
        rules,
    })
}

/// The items of a list that may not be long, none when it is absent; `None` when something was
/// reported about it.
pub(super) fn bounded<'a>(object: &Object<'a>, name: &str) -> Option<Vec<Field<'a>>> {
    let Some(field) = object.get(name) else {
        return Some(Vec::new());
    };
    let items = field.items()?;
    if items.len() <= MAX_ITEMS {
        return Some(items);
    }
    field.error(
        format!("lists {}; at most {MAX_ITEMS} are allowed", items.len()),
        "split it over two rules or two policies",
    );
    None
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
    let rule = field.object(&["name", "action", far, "protocols"], &[])?;
    let name = rule.get("name").map(name);
    let action = rule
        .require("action", "use Accept, Deny or Pass")
        .and_then(action);
    let items = bounded(&rule, far)?;
    if items.is_empty() {
        field.error(
            format!("{far} names no peer"),
            "list at least one; `namespaces: {}` means every workload",
        );
        return None;
    }
    let peers: Vec<Option<Vec<PeerSelector>>> = items
        .iter()
        .map(|item| cluster_peers::peer(item, direction, action))
        .collect();
    let protocols = protocols(&rule, &items);
    let peers: Option<Vec<_>> = peers.into_iter().collect();
    Some(Rule {
        peers: Peers::Of(peers?.concat()),
        destinations: protocols?,
        reference: RuleRef {
            policy: Arc::clone(policy),
            spec: None,
            direction,
            action: action?,
            index,
            line: field.line(),
            log: match name {
                None => None,
                Some(name) => Some(name?),
            },
        },
    })
}

/// The name of a rule, told with every flow it decides.
fn name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.len() <= MAX_NAME {
        return Some(text.to_owned());
    }
    field.error(
        format!("{:?} is too long", syntax::shorten(text)),
        format!("use at most {MAX_NAME} characters"),
    );
    None
}

fn action(field: &Field<'_>) -> Option<Effect> {
    match field.text()? {
        "Accept" => Some(Effect::Allow),
        "Deny" => Some(Effect::Deny),
        "Pass" => Some(Effect::Pass),
        other => {
            field.error(
                format!("{:?} is not an action", syntax::shorten(other)),
                "use Accept, Deny or Pass",
            );
            None
        }
    }
}

fn protocols(rule: &Object<'_>, peers: &[Field<'_>]) -> Option<Destinations> {
    let items = bounded(rule, "protocols")?;
    if items.is_empty() {
        return Some(Destinations::Any);
    }
    let read: Vec<Option<Vec<Destination>>> =
        items.iter().map(|item| protocol(item, peers)).collect();
    let read: Option<Vec<Vec<Destination>>> = read.into_iter().collect();
    Some(Destinations::Of(read?.concat()))
}

fn protocol(item: &Field<'_>, peers: &[Field<'_>]) -> Option<Vec<Destination>> {
    const ALL: [(&str, u8); 3] = [("tcp", TCP), ("udp", UDP), ("sctp", SCTP)];
    let object = item.object(&["tcp", "udp", "sctp", "destinationNamedPort"], &[])?;
    let numbered: Vec<_> = ALL
        .into_iter()
        .filter_map(|(name, number)| Some((object.get(name)?, number)))
        .collect();
    match (numbered.as_slice(), object.get("destinationNamedPort")) {
        ([(field, number)], None) => Some(vec![Destination::Ports(range(field, *number)?)]),
        ([], Some(field)) => {
            cluster_peers::must_have_names(field, peers)?;
            match ports::number_or_name(field)? {
                Port::Name(name) => {
                    let named = ALL.map(|(_, protocol)| Destination::Named {
                        protocol,
                        name: name.clone(),
                    });
                    Some(named.to_vec())
                }
                Port::Number(_) => {
                    field.error(
                        "is a number",
                        "write it as destinationPort of tcp, udp or sctp",
                    );
                    None
                }
            }
        }
        (_, _) => {
            item.error(
                "must name one thing",
                "write one of tcp, udp, sctp and destinationNamedPort",
            );
            None
        }
    }
}

fn range(field: &Field<'_>, protocol: u8) -> Option<PortRange> {
    let object = field.object(&["destinationPort"], &[])?;
    let port = object.require("destinationPort", "write {number: ...} or {range: ...}")?;
    let port = port.object(&["number", "range"], &[])?;
    match (port.get("number"), port.get("range")) {
        (Some(number), None) => Some(PortRange::one(protocol, one(number)?)),
        (None, Some(range)) => {
            let ends = range.object(&["start", "end"], &[])?;
            let first = one(ends.require("start", "write the first port")?)?;
            let field = ends.require("end", "write the last port")?;
            let last = one(field)?;
            if last <= first {
                field.error(
                    format!("is not above port {first}"),
                    "swap start and end; write one port as number",
                );
                return None;
            }
            Some(PortRange {
                protocol,
                first,
                last,
            })
        }
        (None, None) | (Some(_), Some(_)) => {
            port.field()
                .error("must name one thing", "write one of number and range");
            None
        }
    }
}

fn one(field: &Field<'_>) -> Option<u16> {
    if let Value::Integer(number) = field.value()
        && let Ok(number) = u16::try_from(*number)
        && number != 0
    {
        return Some(number);
    }
    field.error(
        "is not a port",
        "write a number from 1 to 65535, without quotes",
    );
    None
}
