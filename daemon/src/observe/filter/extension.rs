//! `flowd.v1.GetFlowsExtension`: what can be asked of flows beyond Hubble's filters.

use flowd_policy::{PolicyRef, RuleRef};
use flowd_proto::flowd::v1::{FlowExtensionFilter, GetFlowsExtension};
use flowd_proto::glob::{Glob, RulePattern};
use flowd_proto::pattern::PatternError;
use flowd_proto::{Any, Duration};

use super::{Build, FilterError, Test, kernel_reason, shadow};
use crate::enrich::hits::DEFAULT_DENY;
use crate::enrich::{Decision, Owner};
use crate::flow::Record;
use crate::observe::extension::Numbers;

/// Unpacks it; nothing asked where there is none, or one of somebody else's.
///
/// # Errors
///
/// When the message is damaged.
pub fn unpack(extension: Option<&Any>) -> Result<GetFlowsExtension, FilterError> {
    let Some(any) = extension else {
        return Ok(GetFlowsExtension::default());
    };
    let asked = GetFlowsExtension::unpack(any).map_err(|error| {
        FilterError::value(
            "extensions",
            any.type_name(),
            format!("is damaged: {error}"),
        )
    })?;
    Ok(asked.unwrap_or_default())
}

/// What must hold of every flow of the request.
pub(super) fn of_all(asked: &GetFlowsExtension) -> Result<Vec<Test>, FilterError> {
    let conditions = [
        shadow::compile(asked.shadow)?,
        kernel_reason::compile(&asked.kernel_reason)?,
    ];
    Ok(conditions.into_iter().flatten().collect())
}

/// How many values a filter has, and its texts.
pub(super) fn measure(filter: &FlowExtensionFilter) -> (usize, [&Vec<String>; 5]) {
    let texts = [
        &filter.process,
        &filter.unit,
        &filter.container,
        &filter.user,
        &filter.rule,
    ];
    let values = texts.iter().map(|list| list.len()).sum::<usize>() + filter.pid.len();
    (values, texts)
}

/// The tests of one filter.
pub(super) fn compile(
    build: &mut Build<'_>,
    filter: &FlowExtensionFilter,
) -> Result<(), FilterError> {
    numbers(build, filter)?;
    if !filter.pid.is_empty() {
        let pids = filter.pid.clone();
        owned(build, move |owner| pids.contains(&owner.pid));
    }
    let processes = read("process", &filter.process, Glob::read)?;
    owned_by(build, processes, |glob, owner| {
        match glob.text().contains('/') {
            true => glob.matches(&owner.details.executable),
            false => glob.matches(&owner.name),
        }
    });
    let units = read("unit", &filter.unit, Glob::read)?;
    owned_by(build, units, |glob, owner| {
        glob.matches(&owner.details.unit)
    });
    let containers = read("container", &filter.container, Glob::read)?;
    owned_by(build, containers, |glob, owner| {
        glob.matches(&owner.details.container)
    });
    if !filter.user.is_empty() {
        let users = filter.user.clone();
        owned(build, move |owner| {
            let number = owner.user_id.to_string();
            users
                .iter()
                .any(|user| *user == owner.user || *user == number)
        });
    }
    let rules = read("rule", &filter.rule, RulePattern::read)?;
    if !rules.is_empty() {
        build.test(move |record| rules.iter().any(|rule| decided(rule, &record.decision)));
    }
    Ok(())
}

fn owned(build: &mut Build<'_>, matches: impl Fn(&Owner) -> bool + Send + Sync + 'static) {
    build.test(move |record| record.owner.as_deref().is_some_and(&matches));
}

fn owned_by(
    build: &mut Build<'_>,
    globs: Vec<Glob>,
    matches: impl Fn(&Glob, &Owner) -> bool + Send + Sync + 'static,
) {
    if !globs.is_empty() {
        owned(build, move |owner| {
            globs.iter().any(|glob| matches(glob, owner))
        });
    }
}

fn numbers(build: &mut Build<'_>, filter: &FlowExtensionFilter) -> Result<(), FilterError> {
    let counted = |record: &Record| Numbers::of(&record.judged);
    let bytes = Range::of("bytes", filter.min_bytes, filter.max_bytes)?;
    if let Some(range) = bytes {
        build.test(move |record| range.holds(counted(record).bytes()));
    }
    let packets = Range::of("packets", filter.min_packets, filter.max_packets)?;
    if let Some(range) = packets {
        build.test(move |record| range.holds(counted(record).packets()));
    }
    let bound = |field, time: &Option<Duration>| time.as_ref().map(|t| nanos(field, t)).transpose();
    let shortest = bound("min_duration", &filter.min_duration)?;
    let longest = bound("max_duration", &filter.max_duration)?;
    if let Some(range) = Range::of("duration", shortest, longest)? {
        build.test(move |record| {
            let event = &record.judged.event;
            range.holds(event.time.saturating_sub(event.created))
        });
    }
    Ok(())
}

fn nanos(field: &'static str, time: &Duration) -> Result<u64, FilterError> {
    let whole = u64::try_from(time.seconds).ok();
    let part = u64::try_from(time.nanos).ok();
    let both = whole.zip(part.filter(|part| *part < 1_000_000_000));
    both.map(|(whole, part)| whole.saturating_mul(1_000_000_000).saturating_add(part))
        .ok_or_else(|| FilterError::value(field, time.seconds, "a duration is not negative"))
}

/// From the least to the greatest number that passes.
#[derive(Clone, Copy)]
struct Range(u64, u64);

impl Range {
    fn of(
        field: &'static str,
        min: Option<u64>,
        max: Option<u64>,
    ) -> Result<Option<Self>, FilterError> {
        let (least, most) = (min.unwrap_or(0), max.unwrap_or(u64::MAX));
        if least > most {
            let text = format!("{least} to {most}");
            return Err(FilterError::value(
                field,
                text,
                "the least is above the most",
            ));
        }
        Ok((min.is_some() || max.is_some()).then_some(Self(least, most)))
    }

    const fn holds(self, number: u64) -> bool {
        self.0 <= number && number <= self.1
    }
}

/// Whether a rule or policy that decided is meant.
fn decided(wanted: &RulePattern, decision: &Decision) -> bool {
    let is_policy = |policy: &PolicyRef| {
        let namespace = policy.namespace.as_deref().unwrap_or_default();
        wanted.is_policy(policy.kind.name(), namespace, &policy.name)
    };
    let is_rule = |rule: &RuleRef| is_policy(&rule.policy) && wanted.is_path(|| rule.path());
    decision.rules.iter().flatten().any(is_rule)
        || (decision.default_deniers().any(is_policy) && wanted.is_path(|| DEFAULT_DENY))
}

fn read<P>(
    field: &'static str,
    texts: &[String],
    form: fn(&str) -> Result<P, PatternError>,
) -> Result<Vec<P>, FilterError> {
    let read = |text: &String| form(text).map_err(|why| FilterError::value(field, text, why));
    texts.iter().map(read).collect()
}
