//! Prometheus: Hubble's families from the flows, flowd's own ledger and health.
//!
//! On the way of an event only numbers move; names are made when somebody scrapes.

pub mod bounded;
pub mod counts;
pub mod family;
pub mod health;
pub mod hubble;
pub mod process;
pub mod rules;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Registry, TextEncoder};

use crate::enrich::Hits;
use crate::flow::{Log, Record, pipeline::Ring};
use crate::serve::status::StatusHandle;
use counts::Counts;

/// The counters the pipeline moves.
#[derive(Debug, Default)]
pub struct FlowMetrics {
    counts: Mutex<Counts>,
    reader_gap_flows: AtomicU64,
    hits: Arc<Hits>,
}

impl FlowMetrics {
    /// Counts a batch of flows, and takes over what the pipeline counted beside them. One lock for
    /// the batch; a scrape holds it only as long as it takes to copy the numbers.
    pub fn count(
        &self,
        batch: &[Record],
        received: &mut [u64; Ring::ALL.len()],
        undecodable: &mut u64,
    ) {
        let mut counts = self.counts.lock();
        for record in batch {
            counts.flow(record);
        }
        for (total, new) in counts.received.iter_mut().zip(received) {
            *total += std::mem::take(new);
        }
        counts.undecodable += std::mem::take(undecodable);
    }

    /// How often rules and policies decided.
    pub fn hits(&self) -> &Arc<Hits> {
        &self.hits
    }

    /// Counts flows a reader was too slow for.
    pub fn reader_gap(&self, flows: u64) {
        self.reader_gap_flows.fetch_add(flows, Ordering::Relaxed);
    }

    /// A copy of the numbers.
    pub fn snapshot(&self) -> Counts {
        self.counts.lock().clone()
    }

    /// Flows that readers were too slow for.
    pub fn reader_gap_flows(&self) -> u64 {
        self.reader_gap_flows.load(Ordering::Relaxed)
    }
}

/// Everything that can be scraped.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The families of Hubble and flowd over the given sources.
    ///
    /// # Errors
    ///
    /// When two collectors claim the same family, which is a mistake in this crate.
    pub fn new(
        flows: Arc<FlowMetrics>,
        log: Log,
        status: StatusHandle,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let hits = flows.hits().clone();
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(hubble::HubbleCollector::new(flows.clone())),
            Box::new(health::HealthCollector::new(flows, log, status)),
            Box::new(process::ProcessCollector),
            Box::new(rules::RuleCollector::new(hits)),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(Self { registry })
    }

    /// The text format.
    ///
    /// # Errors
    ///
    /// When a family cannot be written, which is a mistake in this crate.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
