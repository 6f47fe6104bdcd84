//! The explanation of one end's verdict.

use std::net::IpAddr;

use flowd_abi::event::EventFlags;
use flowd_abi::{Direction, DropReason, Verdict};
use flowd_policy::{Answer, Query, suggest};
use flowd_proto::flow::Verdict as Told;
use flowd_proto::flowd::v1::{WhyBasis, WhyEnd};
use flowd_proto::{kernel_reason, reason};

use super::connection::{Connection, other};
use super::{Context, evaluation, find, nearest, shadow, written};
use crate::flow::Record;
use crate::flow::record::Side as PacketSide;
use crate::observe::extension::reason_name;
use crate::observe::flow::build;
use crate::observe::mask::Parts;
use crate::serve::status::Mode;

/// Rules of one end that are told with their text, at most.
pub(super) const MAX_RULES: usize = 16;

/// Explains what happened.
pub(super) fn of_record(context: &Context<'_>, record: &Record) -> WhyEnd {
    let connection = Connection::of(record, context.policies);
    let judged = &record.judged;
    let direction = judged.judged_direction();
    let query = connection.query(direction, context.policies.policies.options());
    let decided = judged.event.generation;
    let current = generation(&connection, direction);
    let since = current != decided;
    let decision = &record.decision;
    let mut end = WhyEnd {
        basis: WhyBasis::Flow as i32,
        flow: Some(build(record, context.flows, Parts::ALL)),
        decided_generation: decided,
        rules: decision
            .rules
            .iter()
            .flatten()
            .take(MAX_RULES)
            .map(|rule| written::rule(context, rule, since))
            .collect(),
        default_denied_by: decision
            .default_deniers()
            .map(|policy| written::denier(context, policy, &query))
            .collect(),
        ..draft(&connection, direction, judged.verdict)
    };
    let told = end.rules.len();
    end.notes.extend(unnamed(record, told));
    end.notes.extend(about(record, &connection));
    end.notes.extend(of_kernel(context, record));
    if by_policy(judged.verdict) {
        let now = evaluation::answer(context.policies, &query);
        end.notes
            .extend(since_then(judged.verdict, &now, decided, current));
        remedy(context, &query, &now, judged.verdict, &mut end);
        end.now = Some(evaluation::now(&now));
        end.shadow = shadow::of_record(context, record, &query);
    }
    end
}

/// Explains what would happen; `None` where the end is no workload of this node.
pub(super) fn of_evaluation(
    context: &Context<'_>,
    connection: &Connection<'_>,
    direction: Direction,
) -> Option<WhyEnd> {
    let workload = connection.subject(direction).workload?;
    let query = connection.query(direction, context.policies.policies.options());
    let now = evaluation::answer(context.policies, &query);
    let verdict = evaluation::verdict(&now, workload.mode);
    let (rules, deniers) = match &now {
        Answer::Allowed(rules) | Answer::Denied(rules) => (rules.as_slice(), [].as_slice()),
        Answer::DefaultDenied(policies) => ([].as_slice(), policies.as_slice()),
        Answer::AllowedByDefault | Answer::Unenforced => ([].as_slice(), [].as_slice()),
    };
    let mut end = WhyEnd {
        basis: WhyBasis::Evaluation as i32,
        rules: rules
            .iter()
            .take(MAX_RULES)
            .map(|rule| written::rule(context, rule, false))
            .collect(),
        default_denied_by: deniers
            .iter()
            .map(|policy| written::denier(context, policy, &query))
            .collect(),
        ..draft(connection, direction, verdict)
    };
    if workload.mode == Mode::Off {
        let note = "the endpoint's mode is off: nothing is judged, whatever policies say";
        end.notes.push(note.to_owned());
    }
    if let Verdict::Audit(_) = verdict {
        end.notes.push(AUDITED.to_owned());
    }
    if now == Answer::AllowedByDefault {
        end.notes.push(BY_DEFAULT.to_owned());
    }
    remedy(context, &query, &now, verdict, &mut end);
    end.now = Some(evaluation::now(&now));
    end.shadow = shadow::of_evaluation(context, &query, verdict);
    Some(end)
}

const AUDITED: &str = "the endpoint's mode is audit: the packet passes and the denial is only told; \
     in mode enforce it is dropped (flowctl mode, flowctl status)";
const BY_DEFAULT: &str = "no rule names it, and nothing denies what no rule names: no policy asks for default deny \
     (enableDefaultDeny), or it comes from the host, which policy.allow_localhost lets in";

/// What the destination's end has to say when the source's dropped the packet.
pub(super) fn behind(source: &WhyEnd, destination: &mut WhyEnd) {
    if source.verdict() != Told::Dropped || destination.basis() != WhyBasis::Evaluation {
        return;
    }
    let note = "the packet did not get this far: the source's end dropped it";
    destination.notes.insert(0, note.to_owned());
    if source.now.is_none() {
        // It was no packet anybody would want to allow here.
        destination.near_misses.clear();
        destination.suggestion.clear();
    }
}

/// What both kinds of explanation say.
fn draft(connection: &Connection<'_>, direction: Direction, verdict: Verdict) -> WhyEnd {
    let help = match verdict {
        Verdict::Forward(why) => reason::of_forward(why).meaning.to_owned(),
        Verdict::Drop(why) | Verdict::Audit(why) => reason::of(why).help(),
    };
    WhyEnd {
        direction: direction as i32,
        endpoint: connection.subject(direction).name.clone(),
        peer: connection.subject(other(direction)).name.clone(),
        destination: connection.destination_text(),
        verdict: i32::from(verdict.to_numbers().0),
        reason: reason_name(verdict).to_owned(),
        help,
        current_generation: generation(connection, direction),
        ..WhyEnd::default()
    }
}

fn generation(connection: &Connection<'_>, direction: Direction) -> u32 {
    let workload = connection.subject(direction).workload;
    workload.map_or(0, |workload| workload.generation)
}

/// Whether policies had a say in it.
const fn by_policy(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Forward(_)
        | Verdict::Drop(DropReason::DefaultDenied | DropReason::RuleDenied)
        | Verdict::Audit(DropReason::DefaultDenied | DropReason::RuleDenied) => true,
        Verdict::Drop(_) | Verdict::Audit(_) => false,
    }
}

/// What would change a denial.
fn remedy(
    context: &Context<'_>,
    query: &Query<'_>,
    now: &Answer,
    verdict: Verdict,
    end: &mut WhyEnd,
) {
    if matches!(verdict, Verdict::Forward(_)) {
        return;
    }
    match now {
        Answer::DefaultDenied(_) => {
            end.near_misses = nearest::nearest(context.policies, query);
            end.suggestion = suggest(query).unwrap_or_default();
        }
        Answer::Denied(_) => {
            let overridden = evaluation::overridden(context.policies, query);
            end.overridden = overridden
                .iter()
                .take(MAX_RULES)
                .map(|rule| written::rule(context, rule, false))
                .collect();
        }
        Answer::Allowed(_) | Answer::AllowedByDefault | Answer::Unenforced => {}
    }
}

/// The kernel's own word for why it dropped the packet, or a later one of the connection.
fn of_kernel(context: &Context<'_>, record: &Record) -> Option<String> {
    let words = |record: &Record| {
        let reason = record.judged.kernel_reason()?;
        let help = kernel_reason::find(&reason).map_or_else(String::new, |text| {
            format!(": {} {}", text.meaning, text.advice)
        });
        Some(format!("for its reason {reason}{help}"))
    };
    if let Some(words) = words(record) {
        return Some(format!("no policy decided: the kernel dropped it, {words}"));
    }
    let later = words(&find::dropped_since(context.log, record)?)?;
    Some(format!(
        "afterwards the kernel dropped a packet of the connection, {later}"
    ))
}

/// What about the decision nobody can name any more, or is not told.
fn unnamed(record: &Record, told: usize) -> Vec<String> {
    let decision = &record.decision;
    let mut notes = Vec::new();
    match &decision.rules {
        None => notes.push(format!(
            "rule set {} decided; its rules are not known any more",
            decision.rule
        )),
        Some(rules) if rules.len() > told => {
            notes.push(format!("{} more rules decided with it", rules.len() - told));
        }
        Some(_) if decision.rule == flowd_policy::RuleTable::DEFAULT_ALLOW => {
            notes.push(BY_DEFAULT.to_owned());
        }
        Some(_) => {}
    }
    if decision.default_denied_by.is_none() {
        notes.push(format!(
            "policy {} denies by default; whose it is, is not known any more",
            decision.default_deny
        ));
    }
    notes
}

/// What is special about the record.
fn about(record: &Record, connection: &Connection<'_>) -> Vec<String> {
    let judged = &record.judged;
    let mut notes = Vec::new();
    if let Verdict::Audit(_) = judged.verdict {
        notes.push(AUDITED.to_owned());
    }
    if judged.event.flags & EventFlags::SEEDED != 0 {
        notes.push("the connection was open before flowd attached".to_owned());
    }
    if let Verdict::Drop(DropReason::SourceAddress) | Verdict::Audit(DropReason::SourceAddress) =
        judged.verdict
    {
        let used = judged.ip(PacketSide::Source);
        let used = used.map_or_else(
            || "that of no IP packet".to_owned(),
            |used| used.to_string(),
        );
        let side = connection.subject(judged.judged_direction());
        notes.push(format!(
            "the packet's source address is {used}; {}; policies were not asked",
            own_addresses(side.workload.map(|workload| workload.addresses.as_slice()))
        ));
    }
    notes
}

fn own_addresses(addresses: Option<&[IpAddr]>) -> String {
    let Some(addresses) = addresses else {
        return "the workload is gone, so its own are not known".to_owned();
    };
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "the workload's own are {}: add it to spec.addresses of the endpoint's file if it is \
         rightful, or set checkSource: false there",
        addresses.join(", ")
    )
}

/// What has become of the verdict since.
fn since_then(verdict: Verdict, now: &Answer, decided: u32, current: u32) -> Option<String> {
    if current == 0 {
        return Some("the workload is not guarded any more".to_owned());
    }
    let allowed = match verdict {
        Verdict::Forward(_) => true,
        Verdict::Drop(_) | Verdict::Audit(_) => false,
    };
    let says = match (allowed, now.is_allowed()) {
        (true, false) => "; what is in force now denies it",
        (false, true) => "; what is in force now allows it",
        (true, true) | (false, false) => "",
    };
    (decided != current || !says.is_empty())
        .then(|| format!("generation {decided} decided, generation {current} is in force{says}"))
}
