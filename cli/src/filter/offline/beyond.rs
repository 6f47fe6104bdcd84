//! What Hubble's filters have no field for, on what flowd wrote beside a flow. A flow of another
//! server has nothing of it and matches none.

use flowd_proto::Duration;
use flowd_proto::flow::Flow;
use flowd_proto::flowd::v1::{FlowExtension, FlowExtensionFilter, PolicyRef, Process, RuleRef};
use flowd_proto::glob::{Glob, RulePattern};

use super::pattern::read;
use super::{FilterError, Test, any_of, read_all};
use crate::print::rule_path;

pub(super) fn compile(
    filter: &FlowExtensionFilter,
    tests: &mut Vec<Test>,
) -> Result<(), FilterError> {
    processes(filter, tests)?;
    let rules = read_all(&filter.rule, read(RulePattern::read))?;
    any_of(tests, rules, |flow, rule| {
        flow.extension().is_some_and(|ours| decided(rule, &ours))
    });
    let bytes = |ours: &FlowExtension| ours.sent_bytes.saturating_add(ours.received_bytes);
    let packets = |ours: &FlowExtension| ours.sent_packets.saturating_add(ours.received_packets);
    within(tests, filter.min_bytes, filter.max_bytes, bytes);
    within(tests, filter.min_packets, filter.max_packets, packets);
    let bounds = [&filter.min_duration, &filter.max_duration];
    let [shortest, longest] = bounds.map(|bound| bound.as_ref().map(nanos));
    within(tests, shortest, longest, |ours| {
        ours.duration.as_ref().map_or(0, nanos)
    });
    Ok(())
}

fn processes(filter: &FlowExtensionFilter, tests: &mut Vec<Test>) -> Result<(), FilterError> {
    any_of(tests, filter.pid.clone(), |flow, pid| {
        owned(flow, |process| process.pid == *pid)
    });
    any_of(tests, globs(&filter.process)?, |flow, glob| {
        owned(flow, |process| match glob.text().contains('/') {
            true => glob.matches(&process.executable),
            false => glob.matches(&process.name),
        })
    });
    any_of(tests, globs(&filter.unit)?, |flow, glob| {
        owned(flow, |process| glob.matches(&process.unit))
    });
    any_of(tests, globs(&filter.container)?, |flow, glob| {
        owned(flow, |process| glob.matches(&process.container))
    });
    any_of(tests, filter.user.clone(), |flow, user| {
        owned(flow, |process| {
            process.user == *user || process.user_id.to_string() == *user
        })
    });
    Ok(())
}

fn globs(texts: &[String]) -> Result<Vec<Glob>, FilterError> {
    read_all(texts, read(Glob::read))
}

fn owned(flow: &Flow, matches: impl Fn(&Process) -> bool) -> bool {
    let process = flow.extension().and_then(|ours| ours.process);
    process.is_some_and(|process| matches(&process))
}

fn within(
    tests: &mut Vec<Test>,
    least: Option<u64>,
    most: Option<u64>,
    number: impl Fn(&FlowExtension) -> u64 + 'static,
) {
    if least.is_none() && most.is_none() {
        return;
    }
    let range = least.unwrap_or(0)..=most.unwrap_or(u64::MAX);
    tests.push(Box::new(move |flow| {
        flow.extension()
            .is_some_and(|ours| range.contains(&number(&ours)))
    }));
}

fn nanos(duration: &Duration) -> u64 {
    let whole = u64::try_from(duration.seconds).unwrap_or(0);
    let part = u64::try_from(duration.nanos).unwrap_or(0);
    whole.saturating_mul(1_000_000_000).saturating_add(part)
}

/// Whether a rule or policy that decided is meant.
fn decided(wanted: &RulePattern, ours: &FlowExtension) -> bool {
    let rule = |rule: &RuleRef| {
        wanted.is_policy(&rule.kind, &rule.namespace, &rule.name)
            && wanted.is_path(|| rule_path(rule))
    };
    let denier = |policy: &PolicyRef| {
        wanted.is_policy(&policy.kind, &policy.namespace, &policy.name)
            && wanted.is_path(|| "default_deny")
    };
    ours.rules.iter().any(rule) || ours.default_denied_by.iter().any(denier)
}
