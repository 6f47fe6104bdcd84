//! How far each exporter is, and what it has missed.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::export::{Counts, Exporters};
use crate::flow::Log;

/// Collects `flowd_export_*`.
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
        families.into_iter().filter_map(Family::finish).collect()
    }
}
