//! What happened to calls of gRPC, in the families that Prometheus' middleware for gRPC has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::access::rights::{CALLS, Call};

/// The codes of gRPC in the order of their numbers, as those families name them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
/// Prometheus' own bounds, in microseconds.
const BOUNDS: [u64; 11] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// The numbers of one call.
#[derive(Debug, Default)]
struct Numbers {
    started: AtomicU64,
    handled: [AtomicU64; CODES.len()],
    received: AtomicU64,
    sent: AtomicU64,
    /// One a bound, and one past the last.
    lasted: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds.
    sum: AtomicU64,
}

/// The numbers of every call there is; paths that are none have no numbers.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Vec<Numbers>>);

/// A call under way.
#[derive(Clone, Debug)]
pub struct UnderWay {
    calls: Calls,
    at: usize,
}

impl Default for Calls {
    fn default() -> Self {
        Self(Arc::new(CALLS.iter().map(|_| Numbers::default()).collect()))
    }
}

impl Calls {
    /// Counts that a call begins.
    pub fn start(&self, path: &str) -> Option<UnderWay> {
        let at = CALLS.iter().position(|call| call.path == path)?;
        self.0.get(at)?.started.fetch_add(1, Ordering::Relaxed);
        Some(UnderWay {
            calls: self.clone(),
            at,
        })
    }

    /// Every call with its numbers.
    fn each(&self) -> impl Iterator<Item = (&'static Call, &Numbers)> {
        CALLS.iter().zip(self.0.iter())
    }
}

impl UnderWay {
    /// Counts messages of the client.
    pub fn received(&self, messages: u64) {
        self.numbers(|numbers| numbers.received.fetch_add(messages, Ordering::Relaxed));
    }

    /// Counts messages to the client.
    pub fn sent(&self, messages: u64) {
        self.numbers(|numbers| numbers.sent.fetch_add(messages, Ordering::Relaxed));
    }

    /// Counts its end with the number of this code.
    pub fn end(&self, code: i32, lasted: Duration) {
        let code = usize::try_from(code).ok().filter(|at| *at < CODES.len());
        // What has no number of gRPC is Unknown.
        let code = code.unwrap_or(2);
        let micros = u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.numbers(|numbers| {
            numbers.handled[code].fetch_add(1, Ordering::Relaxed);
            numbers.lasted[bucket].fetch_add(1, Ordering::Relaxed);
            numbers.sum.fetch_add(micros, Ordering::Relaxed)
        });
    }

    fn numbers(&self, count: impl FnOnce(&Numbers) -> u64) {
        self.calls.0.get(self.at).map(count);
    }
}

/// Collects `grpc_server_*`.
#[derive(Debug)]
pub struct CallCollector {
    calls: Calls,
    desc: Option<Desc>,
}

impl CallCollector {
    /// Over these numbers.
    pub fn new(calls: Calls) -> Self {
        Self {
            calls,
            desc: describe("grpc_server_started_total"),
        }
    }
}

type Count = fn(&Numbers) -> &AtomicU64;

const COUNTERS: [(&str, &str, Count); 3] = [
    (
        "grpc_server_started_total",
        "Calls of gRPC that began.",
        |numbers| &numbers.started,
    ),
    (
        "grpc_server_msg_received_total",
        "Messages that clients sent.",
        |numbers| &numbers.received,
    ),
    (
        "grpc_server_msg_sent_total",
        "Messages sent to clients.",
        |numbers| &numbers.sent,
    ),
];

impl Collector for CallCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut families: Vec<Family> = COUNTERS
            .into_iter()
            .map(|(name, help, column)| {
                let mut family = Family::counter(name, help);
                for (call, numbers) in self.calls.each() {
                    family.push(&labels(call), number(load(column(numbers))));
                }
                family
            })
            .collect();
        let mut handled = Family::counter(
            "grpc_server_handled_total",
            "Calls of gRPC that ended, by code.",
        );
        let mut lasted = Family::histogram(
            "grpc_server_handling_seconds",
            "How long calls of gRPC took that ended, streams for as long as they were open.",
        );
        for (call, numbers) in self.calls.each() {
            let [kind, service, method] = labels(call);
            for (code, count) in CODES.into_iter().zip(&numbers.handled) {
                let labels = [kind, service, method, ("grpc_code", code)];
                handled.push_moved(&labels, load(count));
            }
            if load(&numbers.started) > 0 {
                let buckets = numbers.lasted.each_ref().map(load);
                let sum = load(&numbers.sum);
                lasted.push_histogram(&labels(call), &BOUNDS, 1e6, &buckets, sum);
            }
        }
        families.extend([handled, lasted]);
        families.into_iter().filter_map(Family::finish).collect()
    }
}

fn labels(call: &Call) -> [(&'static str, &'static str); 3] {
    let (service, method) = call.names();
    [
        ("grpc_type", call.kind()),
        ("grpc_service", service),
        ("grpc_method", method),
    ]
}
