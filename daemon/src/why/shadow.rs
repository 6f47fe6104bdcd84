//! What the shadow policies would do at one end.

use flowd_abi::Verdict;
use flowd_policy::{Answer, PolicyRef, Query, RuleRef, evaluate};
use flowd_proto::flowd::v1::{WhyBasis, WhyShadow};

use super::end::MAX_RULES;
use super::{Context, evaluation, find, written};
use crate::flow::Record;
use crate::observe::extension::reason_name;
use crate::serve::status::Mode;
use crate::shadow::Enforced;

/// As it was recorded with a flow; where nothing was, what the shadow policies of now say.
pub(super) fn of_record(
    context: &Context<'_>,
    record: &Record,
    query: &Query<'_>,
) -> Option<WhyShadow> {
    if record.shadow.is_none() && context.policies.shadows.is_none() {
        return None;
    }
    let Some(shadow) = find::shadow(context.log, record) else {
        return of_evaluation(context, query, record.judged.verdict);
    };
    let deniers = shadow.default_denied_by.iter().map(AsRef::as_ref);
    let would = Would {
        basis: WhyBasis::Flow,
        verdict: shadow.verdict,
        rules: &shadow.rules,
        deniers: deniers.collect(),
    };
    Some(would.told(context, query, record.judged.verdict))
}

/// What the shadow policies of now say; `None` where none of them has a say.
pub(super) fn of_evaluation(
    context: &Context<'_>,
    query: &Query<'_>,
    enforced: Verdict,
) -> Option<WhyShadow> {
    let shadows = context.policies.shadows.as_ref()?;
    let selecting = shadows.alone.selecting(query.subject);
    if !selecting
        .iter()
        .any(|(_, spec)| spec.judges(query.direction))
    {
        return None;
    }
    let answer = evaluate(shadows.as_if.policies(), query);
    let (rules, deniers) = match &answer {
        Answer::Allowed(rules) | Answer::Denied(rules) => (rules.as_slice(), [].as_slice()),
        Answer::DefaultDenied(policies) => ([].as_slice(), policies.as_slice()),
        Answer::AllowedByDefault | Answer::Unenforced => ([].as_slice(), [].as_slice()),
    };
    let would = Would {
        basis: WhyBasis::Evaluation,
        verdict: evaluation::verdict(&answer, Mode::Enforce),
        rules,
        deniers: deniers.iter().map(AsRef::as_ref).collect(),
    };
    Some(would.told(context, query, enforced))
}

/// A would-be verdict.
struct Would<'a> {
    basis: WhyBasis,
    verdict: Verdict,
    rules: &'a [RuleRef],
    deniers: Vec<&'a PolicyRef>,
}

impl Would<'_> {
    fn told(self, context: &Context<'_>, query: &Query<'_>, enforced: Verdict) -> WhyShadow {
        let rules = self.rules.iter().take(MAX_RULES);
        let deniers = self.deniers.into_iter();
        let allowed = |verdict| Enforced::of(verdict).allowed();
        WhyShadow {
            basis: self.basis as i32,
            verdict: i32::from(self.verdict.to_numbers().0),
            reason: reason_name(self.verdict).to_owned(),
            rules: rules
                .map(|rule| written::rule(context, rule, false))
                .collect(),
            default_denied_by: deniers
                .map(|policy| written::denier(context, policy, query))
                .collect(),
            changed: allowed(self.verdict) != allowed(enforced),
        }
    }
}
