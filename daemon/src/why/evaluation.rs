//! What the policies in force say, from the reference evaluator.

use flowd_abi::{DropReason, ForwardReason, Verdict};
use flowd_policy::{Answer, Effect, Policy, Query, RuleRef, Spec, evaluate};
use flowd_proto::flowd::v1::WhyNow;

use super::view::PolicyView;
use crate::observe::extension::{denier_message, reason_name, rule_message};
use crate::serve::status::Mode;

/// What the policies in force say.
pub(super) fn answer(view: &PolicyView, query: &Query<'_>) -> Answer {
    evaluate(view.policies.policies(), query)
}

/// The verdict that follows from it for a workload in this mode.
pub(super) const fn verdict(answer: &Answer, mode: Mode) -> Verdict {
    let denied = match answer {
        Answer::Allowed(_) | Answer::AllowedByDefault => {
            return Verdict::Forward(ForwardReason::Allowed);
        }
        Answer::Unenforced => return Verdict::Forward(ForwardReason::Unenforced),
        Answer::Denied(_) => DropReason::RuleDenied,
        Answer::DefaultDenied(_) => DropReason::DefaultDenied,
    };
    match mode {
        Mode::Enforce => Verdict::Drop(denied),
        Mode::Audit => Verdict::Audit(denied),
        Mode::Off => Verdict::Forward(ForwardReason::Unenforced),
    }
}

/// The answer as it is told.
pub(super) fn now(answer: &Answer) -> WhyNow {
    let (rules, deniers) = match answer {
        Answer::Allowed(rules) | Answer::Denied(rules) => (rules.as_slice(), [].as_slice()),
        Answer::DefaultDenied(policies) => ([].as_slice(), policies.as_slice()),
        Answer::AllowedByDefault | Answer::Unenforced => ([].as_slice(), [].as_slice()),
    };
    WhyNow {
        allowed: answer.is_allowed(),
        reason: reason_name(verdict(answer, Mode::Enforce)).to_owned(),
        rules: rules.iter().map(rule_message).collect(),
        default_denied_by: deniers
            .iter()
            .map(|policy| denier_message(policy))
            .collect(),
    }
}

/// The allow rules that match too, where a deny decides.
pub(super) fn overridden(view: &PolicyView, query: &Query<'_>) -> Vec<RuleRef> {
    let selecting = view.policies.policies().filter(|policy| {
        let mut specs = policy.specs.iter();
        specs.any(|spec| spec.subject.matches(query.subject) && spec.judges(query.direction))
    });
    let allowing: Vec<Policy> = selecting
        .map(|policy| Policy {
            specs: policy.specs.iter().map(without_denies).collect(),
            ..policy.clone()
        })
        .collect();
    match evaluate(&allowing, query) {
        Answer::Allowed(rules) => rules,
        Answer::AllowedByDefault
        | Answer::Denied(_)
        | Answer::DefaultDenied(_)
        | Answer::Unenforced => Vec::new(),
    }
}

fn without_denies(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    spec.rules
        .retain(|rule| rule.reference.action != Effect::Deny);
    spec
}
