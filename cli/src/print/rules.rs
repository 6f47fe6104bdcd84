//! Where a rule stands in its policy, and what decided a flow, in words.

use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{FlowExtension, RuleAction, RuleRef};

/// Its list and its place in it, such as `egressDeny[0]`.
pub(super) fn place(rule: &RuleRef) -> String {
    // Only the policies of Cilium have lists of their own for denials.
    let own_list = match rule.action() {
        RuleAction::Deny => rule.kind.starts_with("Cilium"),
        RuleAction::Allow | RuleAction::Pass | RuleAction::Unspecified => false,
    };
    let list = match (rule.direction(), own_list) {
        (TrafficDirection::Egress, true) => "egressDeny",
        (TrafficDirection::Egress, false) => "egress",
        (TrafficDirection::Ingress | TrafficDirection::Unknown, true) => "ingressDeny",
        (TrafficDirection::Ingress | TrafficDirection::Unknown, false) => "ingress",
    };
    format!("{list}[{}]", rule.index)
}

/// Its path in its policy, such as `spec.egressDeny[0]`.
pub(crate) fn rule_path(rule: &RuleRef) -> String {
    format!("spec.{}", place(rule))
}

/// What decided, short: `shop/db ingress[0]`, or who denies by default.
pub(super) fn decided(extension: &FlowExtension) -> String {
    let name = |namespace: &str, name: &str| match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    };
    let rules = extension.rules.iter();
    let rules = rules.map(|rule| format!("{} {}", name(&rule.namespace, &rule.name), place(rule)));
    let deniers = extension.default_denied_by.iter();
    let deniers =
        deniers.map(|policy| format!("default deny by {}", name(&policy.namespace, &policy.name)));
    rules.chain(deniers).collect::<Vec<_>>().join(", ")
}
