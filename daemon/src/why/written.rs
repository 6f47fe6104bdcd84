//! Rules and policies with what is written in their files and how often they decided.

use std::fs;

use flowd_policy::{PolicyRef, Query, RuleRef};
use flowd_proto::flowd::v1::{Excerpt, WhyPolicy, WhyRule};

use super::Context;
use super::excerpt;
use super::view::PolicyView;
use super::words;
use crate::enrich::hits::{Count, Key};
use crate::observe::extension::{denier_message, rule_message};
use crate::observe::flow::timestamp;

/// Bytes of a file that is compared with what was loaded, at most.
const MAX_BYTES: u64 = 4 << 20;

/// A rule as it is told. `since` says that other policies decided than those in force.
pub(super) fn rule(context: &Context<'_>, rule: &RuleRef, since: bool) -> WhyRule {
    let count = context.hits.count(&Key::rule(rule));
    WhyRule {
        rule: Some(rule_message(rule)),
        path: rule.path(),
        excerpt: Some(written(context.policies, rule, since)),
        hits: count.hits,
        last_hit: last(count),
    }
}

/// A policy that switched the workload to default deny.
pub(super) fn denier(context: &Context<'_>, policy: &PolicyRef, query: &Query<'_>) -> WhyPolicy {
    let count = context.hits.count(&Key::default_deny(policy));
    WhyPolicy {
        policy: Some(denier_message(policy)),
        hits: count.hits,
        last_hit: last(count),
        because: because(context.policies, policy, query),
    }
}

/// What in a policy denies what no rule allows.
fn because(view: &PolicyView, reference: &PolicyRef, query: &Query<'_>) -> Vec<String> {
    let mut policies = view.known();
    let Some(policy) = policies.find(|policy| *policy.reference == *reference) else {
        return vec!["it was changed or removed since".to_owned()];
    };
    let specs = policy.specs.iter().enumerate().filter(|(_, spec)| {
        spec.subject.matches(query.subject) && spec.default_deny(query.direction)
    });
    let because: Vec<String> = specs
        .map(|(index, spec)| words::default_deny(policy, index, spec, query.direction))
        .collect();
    if because.is_empty() {
        return vec!["as it is now, it does not deny by default here any more".to_owned()];
    }
    because
}

fn last(count: Count) -> Option<flowd_proto::Timestamp> {
    (count.hits > 0).then(|| timestamp(count.last))
}

fn written(view: &PolicyView, rule: &RuleRef, since: bool) -> Excerpt {
    let gone = |note: &str| Excerpt {
        changed: true,
        note: note.to_owned(),
        ..Excerpt::default()
    };
    let file = &rule.policy.file;
    // Only what flowd itself loaded is ever looked at.
    let Some(text) = view.files.get(file) else {
        return gone("its file is not among the loaded ones any more");
    };
    if !in_force(view, rule) {
        return gone("the rule was changed or removed since");
    }
    let Some(piece) = excerpt::item(text, rule.line) else {
        return gone("its line is not in the loaded file");
    };
    let differs = differs(file, text);
    let note = match (differs, since) {
        (Some(why), _) => why.to_owned(),
        (None, true) => "policies changed since the verdict: this is what is in force".to_owned(),
        (None, false) => String::new(),
    };
    Excerpt {
        yaml: piece.yaml,
        first_line: rule.line,
        truncated: piece.truncated,
        changed: differs.is_some(),
        note,
    }
}

fn in_force(view: &PolicyView, rule: &RuleRef) -> bool {
    let mut rules = view
        .known()
        .filter(|policy| policy.reference == rule.policy)
        .flat_map(|policy| &policy.specs)
        .flat_map(|spec| &spec.rules);
    rules.any(|known| known.reference == *rule)
}

/// How the file on disk differs from what was loaded of it.
fn differs(file: &str, loaded: &str) -> Option<&'static str> {
    let readable = fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= MAX_BYTES);
    if !readable {
        return Some("the file cannot be read any more; this is what was loaded of it");
    }
    match fs::read_to_string(file) {
        Ok(text) if text == loaded => None,
        Ok(_) => Some("the file was changed since it was loaded; this is what was loaded"),
        Err(_) => Some("the file cannot be read any more; this is what was loaded of it"),
    }
}
