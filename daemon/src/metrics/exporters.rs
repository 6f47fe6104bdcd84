//! How far each exporter is, and what it has missed, in our words and in Hubble's.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::clock::now;
use crate::export::{Counts, Exporters, State};
use crate::flow::Log;

/// Collects `flowd_export_*` and `hubble_dynamic_exporter_*`.
#[derive(Debug)]
pub struct ExportCollector {
    exports: Exporters,
    log: Log,
    desc: Option<Desc>,
}

impl ExportCollector {
    /// Over the exporters of a log.
    pub fn new(exports: Exporters, log: Log) -> Self {
        Self {
            exports,
            log,
            desc: describe("flowd_export_flows_total"),
        }
    }
}

type Column = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [Column; 5] = [
    (
        "flowd_export_flows_total",
        "Flows exported.",
        Counts::exported,
    ),
    (
        "flowd_export_lost_total",
        "Flows that were gone before their exporter came to them.",
        Counts::lost,
    ),
    (
        "flowd_export_gaps_total",
        "How often flows were gone before their exporter came to them.",
        Counts::gaps,
    ),
    (
        "flowd_export_rejected_total",
        "Flows a collector did not want.",
        Counts::rejected,
    ),
    (
        "flowd_export_retries_total",
        "Tries to export that failed.",
        Counts::retries,
    ),
];

impl Collector for ExportCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let states = self.exports.states();
        let mut families: Vec<Family> = COUNTERS
            .into_iter()
            .map(|(name, help, column)| {
                let mut family = Family::counter(name, help);
                for state in &states {
                    family.push(&[("exporter", &state.name)], number(column(&state.counts)));
                }
                family
            })
            .collect();
        let mut lag = Family::gauge(
            "flowd_export_lag_flows",
            "Flows in the log that an exporter has still to look at.",
        );
        let mut stuck = Family::gauge("flowd_export_stuck", "Whether an exporter waits.");
        for state in &states {
            let labels = [("exporter", state.name.as_str())];
            let behind = self.log.seen().saturating_sub(state.counts.position());
            lag.push(&labels, number(behind));
            let waits = !state.counts.problem().is_empty();
            stuck.push(&labels, f64::from(u8::from(waits)));
        }
        families.extend([lag, stuck]);
        families.extend(hubble(&self.exports, &states));
        families.into_iter().filter_map(Family::finish).collect()
    }
}

/// The families that Hubble has of its dynamic exporters.
fn hubble(exports: &Exporters, states: &[State]) -> [Family; 5] {
    let now = now();
    let is_up = |state: &State| state.end.is_none_or(|end| now < end);
    let mut up = Family::gauge(
        "hubble_dynamic_exporter_up",
        "Whether an exporter exports; 0 once its end has come.",
    );
    for state in states {
        let value = f64::from(u8::from(is_up(state)));
        up.push(&[("name", &state.name)], value);
    }
    let active = states.iter().filter(|state| is_up(state)).count() as u64;
    let changes = exports.changes();
    let operations = [
        ("add", changes.added),
        ("update", changes.updated),
        ("remove", changes.removed),
    ];
    let mut made = Family::counter(
        "hubble_dynamic_exporter_reconfigurations_total",
        "Exporters added, configured anew and removed.",
    );
    for (operation, count) in operations {
        made.push(&[("op", operation)], number(count));
    }
    let seconds = u64::try_from(changes.applied / 1_000_000_000).unwrap_or(0);
    [
        up,
        made,
        Family::gauge("hubble_dynamic_exporter_exporters_total", "Exporters.")
            .with(&[("status", "active")], number(active))
            .with(
                &[("status", "inactive")],
                number(states.len() as u64 - active),
            ),
        Family::gauge(
            "hubble_dynamic_exporter_config_hash",
            "Stands for the configuration of the exporters.",
        )
        .with(&[], f64::from(changes.hash)),
        Family::gauge(
            "hubble_dynamic_exporter_config_last_applied",
            "When the configuration of the exporters was applied, Unix seconds.",
        )
        .with(&[], number(seconds)),
    ]
}
