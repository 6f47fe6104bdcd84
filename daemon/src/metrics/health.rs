//! flowd's own families: the ledger, the log, the state of endpoints and policies.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::FlowMetrics;
use super::facts::Outcome;
use super::family::{Family, describe, number};
use crate::flow::{Log, pipeline::Ring};
use crate::observe::extension::reason_name;
use crate::observe::flow::VERSION;
use crate::serve::status::{LedgerRow, Status, StatusHandle};

/// Collects `flowd_*`.
#[derive(Debug)]
pub struct HealthCollector {
    flows: Arc<FlowMetrics>,
    log: Log,
    status: StatusHandle,
    desc: Option<Desc>,
}

impl HealthCollector {
    /// Over the given sources.
    pub fn new(flows: Arc<FlowMetrics>, log: Log, status: StatusHandle) -> Self {
        Self {
            flows,
            log,
            status,
            desc: describe("flowd_build_info"),
        }
    }
}

impl Collector for HealthCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = self.status.load();
        let mut families = ledger(&status);
        families.extend(pipeline(&self.flows, &self.log));
        families.extend(state(&status));
        families.extend(super::kernel_drops::families(&status));
        families.push(
            Family::gauge("flowd_build_info", "The version that runs.")
                .with(&[("version", VERSION)], 1.0),
        );
        families.extend(settings(&self.flows));
        if self.flows.cilium_version() {
            families.push(
                Family::gauge(
                    "cilium_version",
                    "Asked by Hubble's dashboards for their clusters; the version is flowd's.",
                )
                .with(&[("version", &format!("flowd {VERSION}"))], 1.0),
            );
        }
        families.into_iter().filter_map(Family::finish).collect()
    }
}

type Column = (&'static str, &'static str, fn(&LedgerRow) -> u64);

const COLUMNS: [Column; 6] = [
    ("flowd_ledger_packets_total", "Packets judged.", |row| {
        row.counter.packets
    }),
    ("flowd_ledger_bytes_total", "Bytes judged.", |row| {
        row.counter.bytes
    }),
    (
        "flowd_ledger_told_total",
        "Packets told by an event of their own.",
        |row| row.counter.told,
    ),
    (
        "flowd_ledger_coalesced_total",
        "Packets counted in a flow that is or will be told.",
        |row| row.counter.coalesced,
    ),
    (
        "flowd_ledger_deferred_total",
        "Packets whose event found no room in the ring.",
        |row| row.counter.deferred,
    ),
    (
        "flowd_ledger_recovered_total",
        "Deferred packets told since.",
        |row| row.counter.recovered,
    ),
];

fn ledger(status: &Status) -> Vec<Family> {
    let mut families: Vec<Family> = COLUMNS
        .into_iter()
        .map(|(name, help, column)| {
            let mut family = Family::counter(name, help);
            for row in &status.ledger {
                let direction = match row.direction {
                    flowd_abi::Direction::Ingress => "ingress",
                    flowd_abi::Direction::Egress => "egress",
                };
                family.push(
                    &[
                        ("verdict", Outcome::of(row.verdict).action()),
                        ("reason", reason_name(row.verdict)),
                        ("direction", direction),
                    ],
                    number(column(row)),
                );
            }
            family
        })
        .collect();
    families.push(
        Family::counter(
            "flowd_ledger_lost_total",
            "Verdicts evicted before they could be told.",
        )
        .with(&[], number(status.lost)),
    );
    families.push(
        Family::gauge(
            "flowd_ledger_pending",
            "Deferred events that are still to be told.",
        )
        .with(&[], number(status.pending)),
    );
    families
}

fn pipeline(flows: &FlowMetrics, log: &Log) -> Vec<Family> {
    let intake = flows.intake();
    let mut received = Family::counter("flowd_events_received_total", "Events taken in.");
    for (ring, count) in Ring::ALL.into_iter().zip(intake.received) {
        received.push(&[("ring", ring.name())], number(count));
    }
    vec![
        received,
        Family::counter(
            "flowd_events_undecodable_total",
            "Ring records that were no events.",
        )
        .with(&[], number(intake.undecodable)),
        Family::gauge("flowd_log_flows", "Flows in the log.")
            .with(&[], number(log.stored() as u64)),
        Family::gauge("flowd_log_capacity", "Flows the log can hold.")
            .with(&[], number(log.capacity() as u64)),
        Family::counter(
            "flowd_reader_gap_flows_total",
            "Flows that readers of the log were too slow for.",
        )
        .with(&[], number(flows.reader_gap_flows())),
    ]
}

fn settings(flows: &FlowMetrics) -> [Family; 2] {
    let (good, [in_force, refused]) = flows.reloads();
    [
        Family::gauge(
            "flowd_config_last_reload_successful",
            "Whether the configuration file, as it is, is in force.",
        )
        .with(&[], number(u64::from(good))),
        Family::counter(
            "flowd_config_reloads_total",
            "How often the configuration file was read again.",
        )
        .with(&[("result", "in_force")], number(in_force))
        .with(&[("result", "refused")], number(refused)),
    ]
}

fn state(status: &Status) -> Vec<Family> {
    let mut endpoints = Family::gauge("flowd_endpoints", "Workloads by state.");
    for state in ["protected", "attaching", "failed"] {
        let count = status
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.state.name() == state)
            .count();
        endpoints.push(&[("state", state)], number(count as u64));
    }
    let valid = status.policies.iter().filter(|policy| policy.valid).count();
    let invalid = status.policies.len() - valid;
    let mut losses = Family::counter("flowd_shed_total", "What bounded places have shed.");
    for (source, count) in &status.losses {
        losses.push(&[("source", source)], number(*count));
    }
    vec![
        endpoints,
        Family::gauge("flowd_policies", "Policies by state.")
            .with(&[("state", "valid")], number(valid as u64))
            .with(&[("state", "invalid")], number(invalid as u64)),
        Family::gauge(
            "flowd_policy_generation",
            "Generation of the policies wanted and enforced.",
        )
        .with(&[("state", "desired")], number(status.desired_generation))
        .with(&[("state", "enforced")], number(status.enforced_generation)),
        Family::gauge(
            "flowd_host_break_glass",
            "Whether policies for this node are out of force (1), by hand.",
        )
        .with(&[], number(status.host.broken_since.is_some().into())),
        Family::gauge(
            "flowd_host_kept_connections",
            "Connections kept whatever the policies for this node say.",
        )
        .with(&[], number(status.host.kept.len() as u64)),
        Family::gauge("flowd_connections", "Entries in the connection table.")
            .with(&[], number(status.connections)),
        Family::gauge(
            "flowd_denied_flows",
            "Entries in the table of denied flows.",
        )
        .with(&[], number(status.denied)),
        losses,
    ]
}
