//! Selectors and what follows from them, in words.

use std::collections::BTreeSet;

use flowd_abi::Direction;
use flowd_policy::{Effect, Policy, Requirement, Spec, Subjects, labels::NAMESPACE_KEY};

/// What a requirement asks for.
pub(super) fn requirement(requirement: &Requirement) -> String {
    let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(" or ");
    match requirement {
        Requirement::In(key, values) => format!("{}={}", key.name, list(values)),
        Requirement::NotIn(key, values) => format!("{} other than {}", key.name, list(values)),
        Requirement::Exists(key) => format!("the label {}", key.name),
        Requirement::DoesNotExist(key) => format!("no label {}", key.name),
    }
}

/// Those a policy is about; its namespace goes without saying.
fn subject(subject: &Subjects) -> String {
    let asked: Vec<String> = subject
        .selector()
        .requirements()
        .filter(|asked| asked.key().name != NAMESPACE_KEY)
        .map(requirement)
        .collect();
    if asked.is_empty() {
        let everyone = match subject {
            Subjects::Endpoints(_) => "every workload",
            Subjects::Nodes(_) => "every node",
        };
        everyone.to_owned()
    } else {
        asked.join(" and ")
    }
}

/// What in a spec, the one at `index` of the policy, denies what no rule allows.
pub(super) fn default_deny(
    policy: &Policy,
    index: usize,
    spec: &Spec,
    direction: Direction,
) -> String {
    let path = if policy.specs.len() > 1 {
        format!("specs[{index}]")
    } else {
        "spec".to_owned()
    };
    let rules = spec.rules.iter().filter(|rule| {
        rule.reference.direction == direction && rule.reference.action == Effect::Allow
    });
    let side = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    let denies = match rules.count() {
        0 => format!("denies all {side}: it has no rule that allows any"),
        1 => format!("denies what its {side} rule does not allow"),
        several => format!("denies what its {several} {side} rules do not allow"),
    };
    format!("{path} selects {}, and {denies}", subject(&spec.subject))
}
