//! The daemon's own state in the words of `flowd.v1`, for gRPC and the web page alike.

use flowd_abi::{Direction, DropReason, ForwardReason};
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{
    AuditStatus, EndpointStatus, ExplainResponse, ExportGap, ExporterStatus, KernelDropCount,
    KernelDrops, Ledger, LedgerRow, ReasonHelp, Refused, SourceError, SourceLoss, StatusResponse,
};
use flowd_proto::{Timestamp, reason};

use super::status::{self, EndpointState, Status};
use super::{Sources, hits};
use crate::access::Scope;
use crate::clock::now;
use crate::export::Missed;
use crate::kernel::reasons;
use crate::observe::extension::reason_name;
use crate::observe::flow::VERSION;

/// Nanoseconds since the daemon started.
pub fn uptime(status: &Status) -> u64 {
    u64::try_from(now().saturating_sub(status.started)).unwrap_or(0)
}

/// The answer to `Status`, for a client that sees this much.
pub fn status(sources: &Sources, scope: &Scope) -> StatusResponse {
    let status = sources.status.load();
    let status = status.within(scope);
    let warning = status.host.warning().into_iter();
    let mut problems: Vec<String> = warning.chain(status.complaints()).collect();
    if *scope == Scope::All {
        let states = sources.exports.states().into_iter();
        let stuck = states.filter(|state| !state.counts.problem().is_empty());
        problems.extend(
            stuck.map(|state| format!("export {} waits: {}", state.name, state.counts.problem())),
        );
    }
    if sources.gate.audit().is_stuck() {
        problems.push("the audit log cannot be written; see flowd's log".to_owned());
    }
    let uptime = uptime(&status);
    StatusResponse {
        version: VERSION.to_owned(),
        node_name: sources.directory.load().node_name.clone(),
        uptime: Some(flowd_proto::Duration {
            seconds: i64::try_from(uptime / 1_000_000_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(uptime % 1_000_000_000).unwrap_or(0),
        }),
        healthy: problems.is_empty(),
        problems,
        endpoints: status.endpoints.iter().map(endpoint).collect(),
        policies: hits::policies(sources, &status),
        source_errors: status
            .source_errors
            .iter()
            .map(|error| SourceError {
                file: error.file.clone(),
                line: error.line,
                message: error.message.clone(),
            })
            .collect(),
        ledger: Some(ledger(sources, &status)),
        connections: status.connections,
        denied: status.denied,
        exporters: exporters(sources, scope),
        refused: refused(sources, scope),
        audit: audit(sources),
        kernel_drops: Some(kernel_drops(&status.kernel_drops)),
        host: Some(super::grpc::host_status(&status.host)),
    }
}

/// What exports flows; it is about all namespaces.
fn exporters(sources: &Sources, scope: &Scope) -> Vec<ExporterStatus> {
    if *scope != Scope::All {
        return Vec::new();
    }
    let states = sources.exports.states().into_iter();
    states
        .map(|state| ExporterStatus {
            exported: state.counts.exported(),
            lag: sources.log.seen().saturating_sub(state.counts.position()),
            lost: state.counts.lost(),
            gaps: state.counts.gaps(),
            newest_gaps: state.counts.missed().into_iter().map(gap).collect(),
            rejected: state.counts.rejected(),
            problem: state.counts.problem(),
            name: state.name,
            target: state.target,
        })
        .collect()
}

fn gap(missed: Missed) -> ExportGap {
    ExportGap {
        first: missed.gap.from,
        count: missed.gap.flows(),
        time: Some(Timestamp::from_unix_nanos(
            u64::try_from(missed.time).unwrap_or(0),
        )),
    }
}

/// What the doors have turned away; who was is for those who see everything.
fn refused(sources: &Sources, scope: &Scope) -> Vec<Refused> {
    let seen = sources.gate.refusals().seen().into_iter();
    let all = *scope == Scope::All;
    seen.map(|(reason, count, newest)| Refused {
        reason: reason.name().to_owned(),
        count,
        last: Some(Timestamp::from_unix_nanos(
            u64::try_from(newest.time).unwrap_or(0),
        )),
        client: if all { newest.client } else { String::new() },
        text: if all { newest.text } else { String::new() },
    })
    .collect()
}

fn audit(sources: &Sources) -> Option<AuditStatus> {
    let audit = sources.gate.audit();
    audit.is_kept().then(|| AuditStatus {
        written: audit.written(),
        lost: audit.lost(),
        stuck: audit.is_stuck(),
    })
}

/// What the kernel drops by itself.
fn kernel_drops(status: &status::KernelDropStatus) -> KernelDrops {
    let counts = &status.counts;
    KernelDrops {
        watched: status.watched,
        why_not: status.why_not.clone(),
        reasons: counts
            .reasons
            .iter()
            .map(|(reason, packets)| KernelDropCount {
                reason: reasons::name(*reason),
                packets: *packets,
            })
            .collect(),
        flows: status.flows,
        ours: counts.ours,
        no_loss: counts.no_loss,
        elsewhere: counts.elsewhere,
        missed: status.missed,
    }
}

fn endpoint(endpoint: &status::EndpointStatus) -> EndpointStatus {
    EndpointStatus {
        id: endpoint.id,
        namespace: endpoint.namespace.clone(),
        name: endpoint.name.clone(),
        identity: endpoint.identity,
        interface: endpoint.interface.clone(),
        ifindex: endpoint.ifindex,
        state: endpoint.state.name().to_owned(),
        detail: match &endpoint.state {
            EndpointState::Failed(why) => why.clone(),
            EndpointState::Protected | EndpointState::Attaching => String::new(),
        },
        mode: endpoint.mode.name().to_owned(),
        mode_source: endpoint.mode_source.name().to_owned(),
        desired_generation: endpoint.desired_generation,
        enforced_generation: endpoint.enforced_generation,
        ingress_enforced: endpoint.ingress_enforced,
        egress_enforced: endpoint.egress_enforced,
        policies: endpoint.policies.clone(),
        addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
    }
}

fn ledger(sources: &Sources, status: &Status) -> Ledger {
    let intake = sources.flows.intake();
    let [events, drops, _kernel, _sweep] = intake.received;
    let mut losses: Vec<SourceLoss> = status
        .losses
        .iter()
        .map(|(source, count)| SourceLoss {
            source: source.clone(),
            count: *count,
        })
        .collect();
    losses.extend(
        sources
            .flows
            .owners()
            .losses()
            .map(|(source, count)| SourceLoss {
                source: source.to_owned(),
                count,
            }),
    );
    losses.push(SourceLoss {
        source: "readers".to_owned(),
        count: sources.flows.reader_gap_flows(),
    });
    losses.push(SourceLoss {
        source: "metric_series".to_owned(),
        count: sources.flows.folded(),
    });
    Ledger {
        rows: status.ledger.iter().map(row).collect(),
        deferred_pending: status.pending,
        lost: status.lost,
        events_received: events,
        drops_received: drops,
        undecodable: intake.undecodable,
        balanced: status.balances(),
        log_flows: sources.log.stored() as u64,
        log_capacity: sources.log.capacity() as u64,
        log_first_seq: sources.log.oldest(),
        log_next_seq: sources.log.seen(),
        losses,
    }
}

fn row(row: &status::LedgerRow) -> LedgerRow {
    LedgerRow {
        verdict: i32::from(row.verdict.to_numbers().0),
        reason: reason_name(row.verdict).to_owned(),
        direction: match row.direction {
            Direction::Ingress => TrafficDirection::Ingress,
            Direction::Egress => TrafficDirection::Egress,
        } as i32,
        packets: row.counter.packets,
        bytes: row.counter.bytes,
        told: row.counter.told,
        coalesced: row.counter.coalesced,
        deferred: row.counter.deferred,
        recovered: row.counter.recovered,
    }
}

/// The help on one reason, by our name or Hubble's, or on all; `None` for a name nobody has.
pub fn explain(name: &str) -> Option<ExplainResponse> {
    let reasons = if name.is_empty() {
        let drops = DropReason::ALL.into_iter().map(drop_help);
        let forwards = ForwardReason::ALL.into_iter().map(forward_help);
        drops.chain(forwards).collect()
    } else {
        let drop = reason::find_any(name).map(drop_help);
        vec![drop.or_else(|| reason::find_forward(name).map(forward_help))?]
    };
    Some(ExplainResponse { reasons })
}

fn drop_help(drop: DropReason) -> ReasonHelp {
    let text = reason::of(drop);
    ReasonHelp {
        reason: text.name.to_owned(),
        number: drop as u32,
        hubble_reason: text.number(),
        help: text.help(),
    }
}

fn forward_help(forward: ForwardReason) -> ReasonHelp {
    let text = reason::of_forward(forward);
    ReasonHelp {
        reason: text.name.to_owned(),
        number: forward as u32,
        hubble_reason: 0,
        help: text.meaning.to_owned(),
    }
}
