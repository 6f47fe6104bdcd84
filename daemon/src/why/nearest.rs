//! The allow rules that come nearest to allowing a connection.

use flowd_abi::Direction;
use flowd_policy::{
    Answer, Peers, Policy, PolicySet, Query, RuleRef, Selector, Spec, evaluate,
    labels::NAMESPACE_KEY, near_misses,
};
use flowd_proto::flowd::v1::{MissedField, NearMiss};

use super::connection::other;
use super::missed::{self, Miss};
use super::view::PolicyView;
use super::words;
use crate::observe::extension::rule_message;

/// Rules told, at most.
const LIMIT: usize = 3;
/// Rules of the right subject and direction that are weighed, at most.
const WEIGHED: usize = 256;

/// The rules, nearest first.
pub(super) fn nearest(view: &PolicyView, query: &Query<'_>) -> Vec<NearMiss> {
    let policies = &view.policies;
    let mut found: Vec<(RuleRef, Vec<Miss>)> = near_misses(policies.policies(), query, WEIGHED)
        .into_iter()
        .map(|near| {
            let missed = near.missed.iter();
            let missed = missed.map(|missed| missed::miss(missed, query)).collect();
            (near.rule, missed)
        })
        .collect();
    found.extend(other_direction(policies, query));
    found.extend(other_subject(policies, query));
    found.sort_by_key(|(_, missed)| missed.iter().map(|miss| miss.distance).sum::<u32>());
    found.truncate(LIMIT);
    found.into_iter().map(told).collect()
}

fn told((rule, missed): (RuleRef, Vec<Miss>)) -> NearMiss {
    NearMiss {
        path: rule.path(),
        rule: Some(rule_message(&rule)),
        missed: missed.into_iter().map(|miss| miss.told).collect(),
    }
}

/// Rules of the same workload that would allow it if they were about the other direction.
fn other_direction(policies: &PolicySet, query: &Query<'_>) -> Vec<(RuleRef, Vec<Miss>)> {
    let turned = Query {
        direction: other(query.direction),
        ..*query
    };
    let (this, that, rules) = match query.direction {
        Direction::Ingress => ("ingress", "egress", "an ingress"),
        Direction::Egress => ("egress", "ingress", "an egress"),
    };
    let what = format!("the rule is about {that}, this is {this}: {rules} rule is needed");
    allowing(policies.policies(), &turned)
        .into_iter()
        .filter(|rule| names_peers(policies, rule))
        .map(|rule| {
            let miss = Miss::new(MissedField::Direction, what.clone(), None, 5);
            (rule, vec![miss])
        })
        .collect()
}

/// A rule about everyone says nothing about this peer.
fn names_peers(policies: &PolicySet, reference: &RuleRef) -> bool {
    let mut rules = policies
        .policies()
        .filter(|policy| policy.reference == reference.policy)
        .flat_map(|policy| policy.specs.iter().flat_map(|spec| &spec.rules));
    rules.any(|rule| rule.reference == *reference && rule.peers != Peers::Any)
}

/// Rules that would allow it if their policy selected this workload, which one label keeps it from.
fn other_subject(policies: &PolicySet, query: &Query<'_>) -> Vec<(RuleRef, Vec<Miss>)> {
    let specs = policies.policies().flat_map(|policy| {
        let specs = policy
            .specs
            .iter()
            .filter(|spec| spec.judges(query.direction));
        specs.map(move |spec| (policy, spec))
    });
    specs
        .filter_map(|(policy, spec)| {
            let unmet = one_unmet(spec.subject.selector(), query)?;
            let selecting = Policy {
                specs: vec![Spec {
                    subject: spec.subject.everyone(),
                    ..spec.clone()
                }],
                ..policy.clone()
            };
            let rules = allowing([&selecting], query);
            let misses = rules
                .into_iter()
                .map(move |rule| (rule, vec![unmet.clone()]));
            Some(misses)
        })
        .flatten()
        .collect()
}

fn allowing<'a>(policies: impl IntoIterator<Item = &'a Policy>, query: &Query<'_>) -> Vec<RuleRef> {
    match evaluate(policies, query) {
        Answer::Allowed(rules) => rules,
        Answer::AllowedByDefault
        | Answer::Denied(_)
        | Answer::DefaultDenied(_)
        | Answer::Unenforced => Vec::new(),
    }
}

/// The only requirement the workload does not meet, unless that is its namespace: policies of other
/// namespaces are not about it.
fn one_unmet(subject: &Selector, query: &Query<'_>) -> Option<Miss> {
    let mut unmet = subject.requirements().filter(|requirement| {
        let alone: Selector = [(*requirement).clone()].into_iter().collect();
        !alone.matches(query.subject.labels())
    });
    let requirement = unmet.next()?;
    if unmet.next().is_some() || requirement.key().name == NAMESPACE_KEY {
        return None;
    }
    let key = requirement.key();
    let found: Vec<String> = query
        .subject
        .labels()
        .values(key.source.as_deref(), &key.name)
        .map(str::to_owned)
        .collect();
    let has = if found.is_empty() {
        "no such label".to_owned()
    } else {
        found.join(", ")
    };
    let wants = words::requirement(requirement);
    let what = format!("the policy selects workloads with {wants}, this one has {has}");
    let hint = missed::label_slip(requirement, &found, query.subject.labels());
    // Without a slip it is simply a policy of others.
    let far = if hint.is_some() { 6 } else { 15 };
    Some(Miss::new(MissedField::SubjectLabel, what, hint, far))
}
