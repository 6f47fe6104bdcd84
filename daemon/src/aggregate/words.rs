//! What groups are called.

use flowd_abi::protocol;
use flowd_proto::flowd::v1::GroupValue;

use crate::enrich::{Decision, Party, hits::DEFAULT_DENY};

/// Which word of a party a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PartyWord {
    Namespace,
    Workload,
    Pod,
    Identity,
}

/// The word of a party.
pub(super) fn party_value(party: &Party, word: PartyWord) -> GroupValue {
    let text = |value: String| GroupValue {
        value,
        detail: String::new(),
    };
    match word {
        PartyWord::Namespace => text(party.namespace.clone()),
        PartyWord::Pod => text(pod(party)),
        PartyWord::Workload => text(match party.workloads.first() {
            Some(owner) if !owner.name.is_empty() => {
                format!("{}/{}/{}", party.namespace, owner.kind, owner.name)
            }
            Some(_) | None => pod(party),
        }),
        PartyWord::Identity => GroupValue {
            value: party.identity.to_string(),
            detail: party.labels.join(","),
        },
    }
}

/// namespace/name, or the best there is of who has none.
fn pod(party: &Party) -> String {
    if !party.name.is_empty() {
        return format!("{}/{}", party.namespace, party.name);
    }
    match party.labels.first() {
        Some(label) => label.clone(),
        None => format!("identity:{}", party.identity),
    }
}

/// What decided, as the filter `rule` reads it.
pub(super) fn rule_value(decision: &Decision) -> GroupValue {
    let rules = decision.rules.iter().flatten();
    let rules = rules.map(|rule| (format!("{}:{}", rule.policy, rule.path()), rule));
    let (mut names, places): (Vec<String>, Vec<String>) = rules
        .map(|(name, rule)| (name, format!("{}:{}", rule.policy.file, rule.line)))
        .unzip();
    let deniers = decision.default_deniers();
    names.extend(deniers.map(|policy| format!("{policy}:{DEFAULT_DENY}")));
    if decision.rules.is_none() || decision.default_denied_by.is_none() {
        names.push("unknown".to_owned());
    }
    GroupValue {
        value: names.join(", "),
        detail: places.join(", "),
    }
}

/// A protocol by its number.
pub(super) fn protocol_name(number: u8) -> String {
    match number {
        protocol::TCP => "TCP".to_owned(),
        protocol::UDP => "UDP".to_owned(),
        protocol::SCTP => "SCTP".to_owned(),
        protocol::ICMP => "ICMP".to_owned(),
        protocol::ICMPV6 => "ICMPv6".to_owned(),
        other => format!("protocol {other}"),
    }
}
