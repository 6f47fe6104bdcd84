//! Why a flow was allowed or denied, or would be: the deciding rules with what is written there, the
//! policies behind a default deny, the allow rules that almost matched, and a policy that would allow
//! it. Pure but for one look at whether a policy's file still says what was loaded.

mod close;
mod connection;
mod end;
mod error;
mod evaluation;
mod excerpt;
mod find;
mod missed;
mod nearest;
mod question;
mod shadow;
#[cfg(test)]
mod tests;
mod view;
mod words;
mod written;

use flowd_proto::flow::Verdict;
use flowd_proto::flowd::v1::why_request::Question;
use flowd_proto::flowd::v1::{WhyEnd, WhyRequest, WhyResponse};

use crate::enrich::Hits;
use crate::flow::{Log, Record};
use crate::observe::flow::View;
use connection::Connection;
pub use error::WhyError;
pub use view::{PolicyView, PolicyViewHandle, ShadowView, Workload};

/// What an answer is made from.
#[derive(Debug)]
pub struct Context<'a> {
    /// The flows.
    pub log: &'a Log,
    /// The policies in force and who they are about.
    pub policies: &'a PolicyView,
    /// What rules and policies have decided.
    pub hits: &'a Hits,
    /// What flows say beyond their records.
    pub flows: &'a View,
}

/// Answers a question. Looks at up to the whole log.
///
/// # Errors
///
/// When the question makes no sense, or nobody knows whom it is about.
pub fn answer(context: &Context<'_>, request: &WhyRequest) -> Result<WhyResponse, WhyError> {
    match &request.question {
        Some(Question::Uuid(uuid)) => of_flow(context, &find::by_uuid(context, uuid)?),
        Some(Question::Tuple(tuple)) => {
            let asked = question::read(context.policies, tuple)?;
            let ends = asked.directions.iter().filter_map(|&direction| {
                let found = find::newest(context.log, &asked.connection, direction);
                match found {
                    Some(record) => Some(end::of_record(context, &record)),
                    None => end::of_evaluation(context, &asked.connection, direction),
                }
            });
            let ends: Vec<WhyEnd> = ends.collect();
            if ends.is_empty() {
                return Err(asked.nobody());
            }
            Ok(response(ends, Vec::new()))
        }
        None => Err(WhyError::Invalid(
            "ask for the uuid of a flow, or for source, destination, protocol and port".to_owned(),
        )),
    }
}

/// The answer about one flow, with the other end beside it where that is a workload too.
fn of_flow(context: &Context<'_>, record: &Record) -> Result<WhyResponse, WhyError> {
    let mut notes = Vec::new();
    let opening = find::opening(context.log, record);
    let record = match &opening {
        Some(opening) if opening.seq != record.seq => {
            notes.push(
                "the flow is an answer; what decided is the verdict on its connection".to_owned(),
            );
            opening
        }
        Some(_) | None => record,
    };
    let connection = Connection::of(record, context.policies);
    let judged = record.judged.judged_direction();
    let other = connection::other(judged);
    let beyond = find::newest(context.log, &connection, other)
        .map(|record| end::of_record(context, &record))
        .or_else(|| end::of_evaluation(context, &connection, other));
    let mut ends: Vec<WhyEnd> = beyond.into_iter().collect();
    ends.push(end::of_record(context, record));
    Ok(response(ends, notes))
}

/// Egress first, as a packet meets them.
fn response(mut ends: Vec<WhyEnd>, notes: Vec<String>) -> WhyResponse {
    ends.sort_by_key(|end| std::cmp::Reverse(end.direction));
    if let [source, destination] = ends.as_mut_slice() {
        end::behind(source, destination);
    }
    let passed = ends
        .iter()
        .all(|end| !matches!(end.verdict(), Verdict::Dropped | Verdict::Error));
    WhyResponse {
        ends,
        passed,
        notes,
    }
}
