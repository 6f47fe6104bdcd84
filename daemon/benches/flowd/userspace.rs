//! What an event costs in userspace: from the raw bytes of a ring record to a stored flow, named and
//! counted in the metrics.

use std::{alloc::System, sync::Arc, time::Instant};

use flowd::{
    enrich::{Directory, Workload},
    flow::{Clock, Log, Pipeline, log, pipeline::Ring},
    metrics::FlowMetrics,
};
use flowd_abi::{Address, DropReason, Event, EventKind, ForwardReason, Verdict};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::summary::{Summary, Target, median};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Distinct raw records that are told over and over.
pub(crate) const DISTINCT: usize = 4_096;
/// Bytes of an event.
pub(crate) const EVENT: usize = size_of::<Event>();
/// Records per ring read.
pub(crate) const READ: usize = 512;
/// Workloads in the directory.
const WORKLOADS: u32 = 200;
const SAMPLES: usize = 9;

/// Measures the way of an event.
pub(crate) fn measure(summary: &mut Summary, quick: bool) {
    let rounds = if quick { 1 } else { 10 };
    let directory = Arc::new(directory());
    let raw = records();
    let (mut rates, mut allocations) = (Vec::new(), 0.0_f64);
    for _ in 0..SAMPLES {
        let (rate, per_event) = ingest(&directory, &raw, rounds);
        rates.push(rate);
        allocations = allocations.max(per_event);
    }
    let events = rounds * 100 * DISTINCT;
    summary.put(
        "userspace",
        "events_per_second_per_core",
        median(&rates),
        Target::AtLeast(3_000_000.0),
        &format!(
            "one thread, ring bytes -> decode, names, metrics, log; median of {SAMPLES} x {events} \
             events, {DISTINCT} distinct, {WORKLOADS} workloads, log full"
        ),
    );
    summary.put(
        "userspace",
        "allocations_per_event",
        allocations,
        Target::AtMost(0.001),
        "counted by the allocator in the same runs; the largest of them; what is left is per segment",
    );
}

/// Events per second of one thread, and heap allocations per event, once the log is full and writes
/// over its oldest segments.
fn ingest(directory: &Arc<Directory>, raw: &[[u8; EVENT]], rounds: usize) -> (f64, f64) {
    let (mut pipeline, _log) = world();
    let mut tell = |times: usize| {
        for _ in 0..times {
            for read in raw.chunks(READ) {
                let records = read.iter().map(<[u8; EVENT]>::as_slice);
                let sum = pipeline.ingest(Ring::Events, records, Clock { offset: 1 }, directory);
                assert_eq!(sum.undecodable, 0, "made-up events are events");
            }
        }
    };
    let fill = 2 * log::DEFAULT_CAPACITY / DISTINCT;
    tell(fill);
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    tell(rounds * 100);
    let elapsed = start.elapsed();
    let events = float(rounds * 100 * DISTINCT);
    let change = region.change();
    (
        events / elapsed.as_secs_f64(),
        float(change.allocations + change.reallocations) / events,
    )
}

pub(crate) fn world() -> (Pipeline, Log) {
    let (writer, log) = log::new(log::DEFAULT_CAPACITY);
    (Pipeline::new(writer, Arc::new(FlowMetrics::default())), log)
}

pub(crate) fn directory() -> Directory {
    let mut directory = Directory {
        node_name: "bench".into(),
        ..Directory::default()
    };
    for id in 1..=WORKLOADS {
        let labels: Arc<[String]> = [
            format!("k8s:app=app-{id}"),
            "k8s:io.cilium.k8s.policy.cluster=default".to_owned(),
            "k8s:io.kubernetes.pod.namespace=shop".to_owned(),
        ]
        .into();
        directory.add(Workload {
            endpoint_id: id,
            identity: 10_000 + id,
            namespace: "shop".into(),
            name: format!("app-{id}-5d9c7b"),
            labels,
            addresses: vec![std::net::Ipv4Addr::from(0x0a00_0000 + id).into()],
            workloads: Vec::new(),
        });
    }
    directory
}

/// Openings, answers, closes and drops between all workloads and the world.
pub(crate) fn records() -> Vec<[u8; EVENT]> {
    (0..DISTINCT as u32)
        .map(|number| event(number).to_bytes())
        .collect()
}

/// The event of this number: every fourth is an opening, an answer, a close, a drop.
pub(crate) fn event(number: u32) -> Event {
    let kinds = [
        (EventKind::Open, Verdict::Forward(ForwardReason::Allowed), 0),
        (EventKind::Reply, Verdict::Forward(ForwardReason::Reply), 1),
        (
            EventKind::Close,
            Verdict::Forward(ForwardReason::Allowed),
            0,
        ),
        (EventKind::Drop, Verdict::Drop(DropReason::DefaultDenied), 0),
    ];
    let (kind, verdict, flags) = kinds[number as usize % kinds.len()];
    let (verdict, reason) = verdict.to_numbers();
    let (local, peer) = (1 + number % WORKLOADS, 1 + number * 7 % (WORKLOADS * 2));
    let in_house = peer <= WORKLOADS;
    Event {
        time: u64::from(number),
        local: Address::v4((0x0a00_0000 + local).to_be_bytes()),
        remote: Address::v4((0x0a00_0000 + peer).to_be_bytes()),
        endpoint: local,
        peer_identity: if in_house { 10_000 + peer } else { 2 },
        sent_packets: 5,
        sent_bytes: 500,
        policy: 1,
        generation: 3,
        ifindex: local,
        length: 74,
        local_port: 30_000 + (number % 1_000) as u16,
        remote_port: 8_000 + (number % 100) as u16,
        ethertype: 0x0800,
        protocol: flowd_abi::protocol::TCP,
        kind: kind as u8,
        verdict,
        reason,
        direction: 1 + (number % 2) as u8,
        tcp_flags: 0x02,
        state: 2,
        flags,
        match_type: 2,
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: [2, 0, 0, 0, 0, 2],
        ..Event::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}
