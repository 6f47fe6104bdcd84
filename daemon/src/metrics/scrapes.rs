//! What scrapes cost: Hubble's families about its own metrics server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};

/// Upper bounds in microseconds: the defaults of Prometheus's clients.
const BOUNDS: [u64; 11] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];
/// Status codes a scrape can have.
const CODES: [&str; 2] = ["200", "500"];

#[derive(Clone, Copy, Debug, Default)]
struct Timed {
    buckets: [u64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: u64,
}

/// Scrapes so far, by status code.
#[derive(Clone, Debug, Default)]
pub struct Scrapes(Arc<Mutex<[Timed; CODES.len()]>>);

impl Scrapes {
    /// Counts one.
    pub fn count(&self, good: bool, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        let mut codes = self.0.lock();
        let timed = &mut codes[usize::from(!good)];
        timed.buckets[bucket] += 1;
        timed.sum = timed.sum.saturating_add(took);
    }
}

/// Collects them.
#[derive(Debug)]
pub struct ScrapeCollector {
    scrapes: Scrapes,
    desc: Option<Desc>,
}

impl ScrapeCollector {
    /// Over these scrapes.
    pub fn new(scrapes: Scrapes) -> Self {
        Self {
            scrapes,
            desc: describe("hubble_metrics_http_handler_requests_total"),
        }
    }
}

impl Collector for ScrapeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let codes = *self.scrapes.0.lock();
        let mut requests = Family::counter(
            "hubble_metrics_http_handler_requests_total",
            "Scrapes answered.",
        );
        let mut durations = Family::histogram(
            "hubble_metrics_http_handler_request_duration_seconds",
            "How long it took to build the answer to a scrape.",
        );
        for (code, timed) in CODES.into_iter().zip(codes) {
            let labels = [("code", code)];
            requests.push(&labels, number(timed.buckets.iter().sum()));
            durations.push_histogram(&labels, &BOUNDS, 1e6, &timed.buckets, timed.sum);
        }
        let families = [requests, durations].into_iter();
        families.filter_map(Family::finish).collect()
    }
}
