//! Policies with their hits, in the words of `flowd.v1`.

use std::collections::HashMap;

use flowd_policy::Effect;
use flowd_proto::flowd::v1::{PolicyStatus, RuleAction, RuleHits, ShadowCounts};

use super::Sources;
use super::status::{self, Status};
use crate::enrich::hits::{Count, Key};
use crate::observe::flow::timestamp;

/// The policies with what they have decided.
pub(super) fn policies(sources: &Sources, status: &Status) -> Vec<PolicyStatus> {
    let mut totals: HashMap<String, Count> = HashMap::new();
    let mut rules: HashMap<String, Vec<RuleHits>> = HashMap::new();
    for (key, count) in sources.flows.hits().sorted() {
        match key {
            Key::Policy(policy) => {
                totals.insert(policy, count);
            }
            Key::Rule(policy, rule, action) => {
                let hits = RuleHits {
                    rule,
                    action: match action {
                        Effect::Allow => RuleAction::Allow,
                        Effect::Deny => RuleAction::Deny,
                        Effect::Pass => RuleAction::Pass,
                    } as i32,
                    hits: count.hits,
                    last_hit: last_hit(count),
                };
                rules.entry(policy).or_default().push(hits);
            }
            Key::Unknown => {}
        }
    }
    let policies = status.policies.iter();
    policies
        .map(|policy| {
            let name = name_of(policy);
            let enforced = (!policy.shadow).then(|| totals.get(&name)).flatten();
            let count = enforced.copied().unwrap_or_default();
            PolicyStatus {
                kind: policy.kind.clone(),
                namespace: policy.namespace.clone(),
                name: policy.name.clone(),
                file: policy.file.clone(),
                line: policy.line,
                valid: policy.valid,
                problems: policy.problems.clone(),
                endpoints_selected: policy.endpoints_selected,
                hits: count.hits,
                last_hit: last_hit(count),
                rules: match policy.shadow {
                    true => Vec::new(),
                    false => rules.remove(&name).unwrap_or_default(),
                },
                shadow: policy.shadow,
                shadow_counts: policy
                    .shadow
                    .then(|| shadow_counts(sources, &name))
                    .flatten(),
            }
        })
        .collect()
}

/// What a shadow policy would have decided; `None` when it is none.
pub(super) fn shadow_counts(sources: &Sources, name: &str) -> Option<ShadowCounts> {
    let counts = sources.flows.shadows().counts(name)?;
    Some(ShadowCounts {
        matched: counts.matched(),
        would_drop: counts.would_drop(),
        would_allow: counts.would_allow(),
        last_hit: (counts.matched() > 0).then(|| timestamp(counts.last)),
        since: Some(timestamp(counts.since)),
    })
}

/// As the policy itself would say it.
pub(super) fn name_of(policy: &status::PolicyStatus) -> String {
    let parts = [&policy.kind, &policy.namespace, &policy.name];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("/")
}

fn last_hit(count: Count) -> Option<flowd_proto::Timestamp> {
    (count.hits > 0).then(|| timestamp(count.last))
}
