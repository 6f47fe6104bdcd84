//! The families of the plugins, and what Hubble always has beside them.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::FlowMetrics;
use super::family::{Family, describe, number};

/// Collects what the plugins count.
#[derive(Debug)]
pub struct HubbleCollector {
    flows: Arc<FlowMetrics>,
    desc: Option<Desc>,
}

impl HubbleCollector {
    /// Over the pipeline's counters.
    pub fn new(flows: Arc<FlowMetrics>) -> Self {
        Self {
            flows,
            desc: describe("hubble_flows_processed_total"),
        }
    }
}

impl Collector for HubbleCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.flows.snapshots().families();
        let lost = Family::counter(
            "hubble_lost_events_total",
            "Flows lost before a client could get them, by where.",
        )
        .with(
            &[("source", "hubble_ring_buffer")],
            number(self.flows.reader_gap_flows()),
        );
        families.extend(lost.finish());
        families
    }
}
