//! Flows in the log: by uuid, and the newest one of a kind.

use std::net::IpAddr;
use std::sync::Arc;

use flowd_abi::{
    Direction, ForwardReason, Verdict,
    protocol::{ICMP, ICMPV6},
};

use super::Context;
use super::connection::{Connection, Side, asked_type};
use super::error::WhyError;
use crate::enrich::Party;
use crate::flow::record::Side as PacketSide;
use crate::flow::{Log, Record};
use crate::observe::uuid::Boot;
use crate::shadow::Shadowed;

/// The flow with this uuid.
pub(super) fn by_uuid(context: &Context<'_>, text: &str) -> Result<Record, WhyError> {
    let short: String = text.chars().take(64).collect();
    if uuid::Uuid::try_parse(text).is_err() {
        return Err(WhyError::Invalid(format!(
            "{short:?} is no uuid; take one from `flowctl observe -o json`"
        )));
    }
    let boot = context.flows.boot;
    let lower = text.to_ascii_lowercase();
    let seq = boot.seq_of(&lower).ok_or_else(|| {
        let oldest = oldest(context.log, boot);
        WhyError::Unknown(format!(
            "no flow of this run of flowd has the uuid {short}: it is of an earlier run, or of \
             another node; {oldest}"
        ))
    })?;
    let found = record(context.log, seq);
    found.ok_or_else(|| {
        let (oldest, seen) = (oldest(context.log, boot), context.log.seen());
        WhyError::Unknown(if seq >= seen {
            format!("flow {short} has not happened: {seen} flows so far; {oldest}")
        } else {
            format!("flow {short} has left the log; {oldest}")
        })
    })
}

fn oldest(log: &Log, boot: Boot) -> String {
    match record(log, log.oldest()) {
        Some(record) => {
            let seconds = jiff::Timestamp::from_nanosecond(i128::from(record.time));
            let time = seconds.map_or_else(|_| record.time.to_string(), |time| time.to_string());
            format!(
                "the oldest flow available is {} of {time}",
                boot.uuid(record.seq)
            )
        }
        None => "no flow is available yet".to_owned(),
    }
}

fn record(log: &Log, seq: u64) -> Option<Record> {
    let segment = log.before(seq.checked_add(1)?)?;
    let position = usize::try_from(seq.checked_sub(segment.first())?).ok()?;
    segment.records().get(position).cloned()
}

/// The newest flow that passes, looking back from the newest.
fn last(log: &Log, mut end: u64, passes: impl Fn(&Record) -> bool) -> Option<Record> {
    while let Some(segment) = log.before(end) {
        let upto = usize::try_from(end - segment.first()).unwrap_or(usize::MAX);
        let records = segment.records().iter().take(upto);
        if let Some(found) = records.rev().find(|record| passes(record)) {
            return Some(found.clone());
        }
        end = segment.first();
    }
    None
}

/// Whether a record says what decided on a connection, and not only that it is part of one, or that
/// the kernel dropped a packet of it.
const fn decides(record: &Record) -> bool {
    if record.judged.is_kernel_drop() {
        return false;
    }
    match record.judged.verdict {
        Verdict::Forward(
            ForwardReason::Reply | ForwardReason::Related | ForwardReason::Neighbour,
        ) => false,
        Verdict::Forward(
            ForwardReason::Allowed
            | ForwardReason::Unenforced
            | ForwardReason::OperatorGuard
            | ForwardReason::Masqueraded,
        )
        | Verdict::Drop(_)
        | Verdict::Audit(_) => true,
    }
}

/// The flow that decided on a record's connection, which may be the record itself.
pub(super) fn opening(log: &Log, record: &Record) -> Option<Record> {
    if decides(record) || record.judged.is_kernel_drop() {
        return Some(record.clone());
    }
    last(log, record.seq, |other| {
        decides(other) && same_connection(other, record)
    })
}

/// The shadow verdict of a record, or of the flow of its connection that told the same verdict first:
/// what comes later of a connection carries none.
pub(super) fn shadow(log: &Log, record: &Record) -> Option<Arc<Shadowed>> {
    if record.shadow.is_some() {
        return record.shadow.clone();
    }
    let generation = record.judged.event.generation;
    let before = last(log, record.seq, |other| {
        other.judged.event.created == record.judged.event.created
            && other.judged.event.generation == generation
            && other.shadow.is_some()
            && same_connection(other, record)
    })?;
    before.shadow
}

/// The newest packet of a record's connection that the kernel dropped afterwards.
pub(super) fn dropped_since(log: &Log, record: &Record) -> Option<Record> {
    let found = last(log, log.seen(), |other| {
        other.seq <= record.seq || other.judged.is_kernel_drop() && same_connection(other, record)
    })?;
    (found.seq > record.seq).then_some(found)
}

fn same_connection(one: &Record, other: &Record) -> bool {
    let (known, event) = (&one.judged.event, &other.judged.event);
    known.endpoint == event.endpoint
        && known.protocol == event.protocol
        && (known.local, known.remote) == (event.local, event.remote)
        && (known.local_port, known.remote_port) == (event.local_port, event.remote_port)
}

/// The newest flow of a connection, as judged in `direction`.
pub(super) fn newest(
    log: &Log,
    connection: &Connection<'_>,
    direction: Direction,
) -> Option<Record> {
    last(log, log.seen(), |record| {
        record.judged.judged_direction() == direction
            && decides(record)
            && matches(record, connection, direction)
    })
}

fn matches(record: &Record, connection: &Connection<'_>, direction: Direction) -> bool {
    let judged = &record.judged;
    let event = &judged.event;
    if event.protocol != connection.protocol {
        return false;
    }
    let (local, remote) = match direction {
        Direction::Egress => (&connection.source, &connection.destination),
        Direction::Ingress => (&connection.destination, &connection.source),
    };
    let (source_port, port) = match direction {
        Direction::Egress => (event.local_port, event.remote_port),
        Direction::Ingress => (event.remote_port, event.local_port),
    };
    let port = if [ICMP, ICMPV6].contains(&event.protocol) {
        asked_type(record)
    } else {
        port
    };
    let packet = |local: bool| {
        let side = if judged.is_local(PacketSide::Source) == local {
            PacketSide::Source
        } else {
            PacketSide::Destination
        };
        judged.ip(side)
    };
    port == connection.port
        && connection
            .source_port
            .is_none_or(|wanted| wanted == source_port)
        && is(&record.local, packet(true), local)
        && is(&record.peer, packet(false), remote)
}

fn is(party: &Party, address: Option<IpAddr>, wanted: &Side<'_>) -> bool {
    match wanted.workload.filter(|_| !wanted.by_address) {
        Some(workload) => party.name == workload.name && party.namespace == workload.namespace,
        None => wanted.address.is_some() && address == wanted.address,
    }
}
