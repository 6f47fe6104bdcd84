//! What is known of processes, and what of it was shed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::enrich::OwnerCounts;

/// Collects `flowd_process_*` and `flowd_sockets_*`.
#[derive(Debug)]
pub struct OwnerCollector {
    counts: Arc<OwnerCounts>,
    desc: Option<Desc>,
}

impl OwnerCollector {
    /// Over these counts.
    pub fn new(counts: Arc<OwnerCounts>) -> Self {
        Self {
            counts,
            desc: describe("flowd_process_events_total"),
        }
    }
}

impl Collector for OwnerCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = &self.counts;
        let load = |count: &std::sync::atomic::AtomicU64| number(count.load(Ordering::Relaxed));
        let mut shed = Family::counter(
            "flowd_process_shed_total",
            "What bounded places about processes have shed.",
        );
        for (source, count) in counts.losses() {
            shed.push(&[("source", source)], number(count));
        }
        let families = [
            Family::counter(
                "flowd_process_events_total",
                "Events of a workload's socket, by whether its process was known.",
            )
            .with(&[("process", "known")], load(&counts.named))
            .with(&[("process", "unknown")], load(&counts.unknown)),
            Family::counter(
                "flowd_sockets_added_total",
                "Sockets whose process was seen.",
            )
            .with(&[], load(&counts.added)),
            shed,
        ];
        families.into_iter().filter_map(Family::finish).collect()
    }
}
