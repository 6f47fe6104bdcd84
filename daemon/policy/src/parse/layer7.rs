//! Rules above layer 4: checked, and not enforced yet.

use flowd_abi::{Action, Direction, protocol::TCP};

use super::{
    field::{Field, Object},
    names,
};
use crate::{
    object::{Destination, PortRange},
    syntax,
};

/// The fields of a `toPorts` entry that stand above layer 4.
pub(super) const FIELDS: [&str; 5] = [
    "rules",
    "serverNames",
    "terminatingTLS",
    "originatingTLS",
    "listener",
];

/// The kinds of `rules`; those behind the second are only known to exist.
const KINDS: [&str; 5] = ["http", "dns", "kafka", "l7proto", "l7"];

/// The longest regular expression, and the largest automaton one may become.
const MAX_PATTERN: usize = 4_096;
const MAX_AUTOMATON: usize = 1 << 20;

/// The destinations of an entry that may ask for more than ports: none when an allow does, since
/// letting everything pass would allow more than is written; all of them when a deny does.
pub(super) fn limit(
    entry: &Object<'_>,
    destinations: Vec<Destination>,
    direction: Direction,
    action: Action,
) -> Option<Vec<Destination>> {
    let mut asked = false;
    for name in FIELDS {
        let Some(field) = entry.get(name).filter(|field| !field.is_blank()) else {
            continue;
        };
        let means_something = match name {
            "rules" => rules(field, &destinations, direction)?,
            "serverNames" => server_names(field)?,
            _ => field.entries().map(|_| true)?,
        };
        if means_something {
            asked = true;
            field.unenforced(
                match action {
                    Action::Allow => "is not enforced yet, so these ports are not allowed",
                    Action::Deny => "is not enforced yet, so these ports are denied as a whole",
                },
                "remove it to judge by ports alone",
            );
        }
    }
    match action {
        Action::Allow if asked => Some(Vec::new()),
        Action::Allow | Action::Deny => Some(destinations),
    }
}

/// Reports rules above layer 4 where there can be none: traffic of a node goes through no proxy.
pub(super) fn refuse(rule: &Object<'_>) -> Option<()> {
    let mut found = false;
    for entry in rule.items("toPorts").unwrap_or_default() {
        let entries = entry.entries()?;
        for (_, field) in entries
            .iter()
            .filter(|(name, field)| FIELDS.contains(name) && !field.is_blank())
        {
            found = true;
            field.refuse(
                "is not for nodes",
                "judge nodes by ports alone, or use endpointSelector for workloads",
            );
        }
    }
    (!found).then_some(())
}

/// Whether there is any rule.
fn rules(field: &Field<'_>, destinations: &[Destination], direction: Direction) -> Option<bool> {
    let rules = field.object(&KINDS, &[])?;
    let used: Vec<&Field<'_>> = KINDS
        .iter()
        .filter_map(|kind| rules.get(kind))
        .filter(|field| !field.is_blank())
        .collect();
    if let [_, second, ..] = used.as_slice()
        && rules.get("l7proto").is_none()
    {
        second.refuse(
            "is a second kind of rule for the same ports",
            "write two entries",
        );
        return None;
    }
    if let Some(field) = rules.get("http") {
        let only_tcp = destinations.iter().all(|destination| match destination {
            Destination::Ports(PortRange { protocol, .. })
            | Destination::Named { protocol, .. } => *protocol == TCP,
        });
        if !only_tcp {
            field.refuse(
                "HTTP rules are about TCP only",
                "write protocol: TCP for every port",
            );
            return None;
        }
        check_all(&field.items()?, http)?;
    }
    if let Some(field) = rules.get("dns") {
        if direction == Direction::Ingress {
            field.refuse("DNS rules are about egress only", "move the rule to egress");
            return None;
        }
        check_all(&field.items()?, names::selector)?;
    }
    Some(!used.is_empty())
}

fn check_all(items: &[Field<'_>], check: fn(&Field<'_>) -> Option<()>) -> Option<()> {
    let checked: Vec<Option<()>> = items.iter().map(check).collect();
    checked.into_iter().collect()
}

fn http(item: &Field<'_>) -> Option<()> {
    let rule = item.object(&["method", "path", "host", "headers", "headerMatches"], &[])?;
    for name in ["method", "path", "host"] {
        if let Some(field) = rule.get(name) {
            pattern(field)?;
        }
    }
    for header in rule.items("headers").unwrap_or_default() {
        header.text()?;
    }
    for header in rule.items("headerMatches").unwrap_or_default() {
        let header = header.object(&["name", "value", "secret", "mismatch"], &[])?;
        header.require("name", "name the header")?.text()?;
    }
    Some(())
}

fn pattern(field: &Field<'_>) -> Option<()> {
    let text = field.text()?;
    let compiled = regex::RegexBuilder::new(text)
        .size_limit(MAX_AUTOMATON)
        .build();
    if text.len() <= MAX_PATTERN && compiled.is_ok() {
        return Some(());
    }
    field.error(
        format!("{:?} is not a regular expression", syntax::shorten(text)),
        "it must match the whole value, without look-around or back references",
    );
    None
}

fn server_names(field: &Field<'_>) -> Option<bool> {
    check_all(&field.items()?, names::server_name)?;
    Some(true)
}
