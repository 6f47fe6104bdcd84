//! What a change of policies would change: the live connections and recent flows whose verdict would be
//! another one. Pure but for what it is handed.

mod candidate;
mod judge;
mod tally;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use flowd_abi::{
    Connection, ConnectionKey, Denied, Direction, DropReason, ForwardReason, Verdict,
    connection::KeyKind, protocol,
};
use flowd_policy::{CompileError, Diagnostic};
use flowd_proto::flowd::v1::{DiffRequest, DiffResponse};
use thiserror::Error;

use crate::flow::{Log, Record};
use crate::why::PolicyView;
use judge::{Judge, Question};
use tally::{Seen, Tally};

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum RehearseError {
    /// The text is not valid.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Diagnostic>),
    /// What is to be deleted is not there, or could be several objects.
    #[error("{0}")]
    NotFound(String),
    /// One of the two sets does not compile.
    #[error("the policies cannot be compiled: {0}")]
    Compile(#[from] CompileError),
}

/// What is in the tables of the kernel.
#[derive(Debug, Default)]
pub struct Live {
    /// Connections.
    pub connections: Vec<(ConnectionKey, Connection)>,
    /// Denied flows.
    pub denied: Vec<(ConnectionKey, Denied)>,
}

/// Answers what `request` would change. Flows older than `since`, nanoseconds of Unix time, are left
/// alone.
///
/// # Errors
///
/// When the request makes no sense, or the policies cannot be compiled.
pub fn answer(
    view: &PolicyView,
    live: &Live,
    log: &Log,
    request: &DiffRequest,
    since: i64,
) -> Result<DiffResponse, RehearseError> {
    let candidate = candidate::of(view, &request.yaml, &request.delete)?;
    let mut tally = Tally::new(Judge::new(view, &candidate.policies)?);
    for (key, connection) in &live.connections {
        tally.count(Seen::Connection, of_connection(key, connection));
    }
    for (key, denied) in &live.denied {
        tally.count(Seen::Denied, of_denied(key, denied));
    }
    let mut oldest = None;
    let mut end = log.seen();
    while let Some(segment) = log.before(end) {
        for record in segment.records().iter().rev() {
            if record.time < since {
                continue;
            }
            oldest = Some(record.time);
            if decides(record) {
                tally.count(Seen::Flow, of_record(record));
            }
        }
        if segment.newest() < since {
            break;
        }
        end = segment.first();
    }
    Ok(tally.into_response(oldest, candidate.notes))
}

fn of_connection(key: &ConnectionKey, connection: &Connection) -> Option<Question> {
    question(key, connection.origin(), connection.icmp_type)
}

/// A denied flow is one of the direction in which it was dropped.
fn of_denied(key: &ConnectionKey, denied: &Denied) -> Option<Question> {
    let echo = if key.protocol == protocol::ICMP {
        8
    } else {
        128
    };
    question(key, Direction::from_number(denied.direction)?, echo)
}

fn question(key: &ConnectionKey, direction: Direction, icmp_type: u8) -> Option<Question> {
    let port = if [protocol::ICMP, protocol::ICMPV6].contains(&key.protocol) {
        (key.kind == KeyKind::Query as u8).then(|| u16::from(icmp_type))?
    } else {
        match direction {
            Direction::Ingress => key.local_port,
            Direction::Egress => key.remote_port,
        }
    };
    Some(Question {
        local: ip(key.local),
        remote: ip(key.remote),
        direction,
        protocol: key.protocol,
        port,
    })
}

/// Whether a policy decided on a flow, or would have if there were one.
const fn decides(record: &Record) -> bool {
    match record.judged.verdict {
        Verdict::Forward(ForwardReason::Allowed | ForwardReason::Unenforced) => {
            !record.judged.is_reply()
        }
        Verdict::Forward(
            ForwardReason::Reply
            | ForwardReason::Related
            | ForwardReason::Neighbour
            | ForwardReason::OperatorGuard
            | ForwardReason::Masqueraded,
        ) => false,
        Verdict::Drop(reason) | Verdict::Audit(reason) => {
            matches!(reason, DropReason::RuleDenied | DropReason::DefaultDenied)
        }
    }
}

fn of_record(record: &Record) -> Option<Question> {
    let event = &record.judged.event;
    record.judged.family()?;
    let direction = record.judged.judged_direction();
    let port = if [protocol::ICMP, protocol::ICMPV6].contains(&event.protocol) {
        u16::from(event.icmp_type)
    } else {
        match direction {
            Direction::Ingress => event.local_port,
            Direction::Egress => event.remote_port,
        }
    };
    Some(Question {
        local: ip(event.local),
        remote: ip(event.remote),
        direction,
        protocol: event.protocol,
        port,
    })
}

fn ip(address: flowd_abi::Address) -> IpAddr {
    if address.is_v4() {
        std::net::Ipv4Addr::from(address.v4_bytes()).into()
    } else {
        std::net::Ipv6Addr::from(address.0).into()
    }
}
