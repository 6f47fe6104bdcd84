//! What asking for flows costs: a filter per record, a whole answer out of a million stored flows, a
//! follower per flow it is told.

use std::{sync::Arc, time::Instant};

use flowd::{
    access::Scope,
    enrich::{Directory, DirectoryHandle},
    flow::{Clock, Log, Pipeline, log, pipeline::Ring},
    metrics::FlowMetrics,
    observe::{
        FilterSet, Step, filter, flow::View, mask::Mask, query::Plan, uuid::Boot, wire::Encoder,
    },
};
use flowd_proto::flow::{FlowFilter, flow_filter::Experimental};
use flowd_proto::observer::GetFlowsRequest;

use crate::{
    summary::{Summary, Target, median},
    userspace::{DISTINCT, EVENT, READ, directory, float, records},
};

/// Flows in the log.
const STORED: usize = 1_000_000;
const SAMPLES: usize = 5;

/// Measures the way from a stored flow to an answer.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), filter::FilterError> {
    let context = filter::Context {
        directory: DirectoryHandle::new(directory()),
        boot: Boot::random(),
        scope: Scope::All,
    };
    let log = filled(&context.directory.snapshot());
    let stored = log.stored();
    scan(summary, &log, &context)?;
    answer(summary, &log, &context);
    follower(summary, &log, &context);
    summary.put(
        "observe",
        "stored_flows",
        float(stored),
        Target::AtLeast(float(STORED - READ)),
        "flows in the log while the figures of this section were measured",
    );
    Ok(())
}

fn filled(directory: &Arc<Directory>) -> Log {
    let (writer, log) = log::new(STORED);
    let mut pipeline = Pipeline::new(writer, Arc::new(FlowMetrics::default()));
    let raw = records();
    for _ in 0..STORED / DISTINCT + 1 {
        for read in raw.chunks(READ) {
            let read = read.iter().map(<[u8; EVENT]>::as_slice);
            pipeline.ingest(Ring::Events, read, Clock { offset: 1 }, directory);
        }
    }
    log
}

/// One destination port of a hundred, of TCP, from one workload.
fn selective() -> FlowFilter {
    FlowFilter {
        protocol: vec!["tcp".to_owned()],
        destination_port: vec!["8042".to_owned()],
        source_pod: vec!["shop/app-17".to_owned()],
        ..FlowFilter::default()
    }
}

fn scan(
    summary: &mut Summary,
    log: &Log,
    context: &filter::Context,
) -> Result<(), filter::FilterError> {
    let cel = FlowFilter {
        experimental: Some(Experimental {
            cel_expression: vec!["_flow.l4.TCP.destination_port == 8042u".to_owned()],
        }),
        ..FlowFilter::default()
    };
    let figures = [
        (
            "filter_records_per_second",
            selective(),
            20_000_000.0,
            "protocol, port and pod",
        ),
        (
            "cel_records_per_second",
            cel,
            100_000.0,
            "one CEL expression that reads the port",
        ),
    ];
    for (key, wanted, target, what) in figures {
        let filters = FilterSet::compile(&[wanted], &[], context)?;
        let mut rates = Vec::new();
        for _ in 0..SAMPLES {
            let (mut position, mut seen, mut passed) = (log.seen(), 0_usize, 0_usize);
            let start = Instant::now();
            while let Some(segment) = log.before(position) {
                let all = segment.records();
                seen += all.len();
                passed += all.iter().filter(|record| filters.pass(record)).count();
                position = segment.first();
            }
            rates.push(float(seen) / start.elapsed().as_secs_f64());
            assert!(passed < seen / 10, "{passed} of {seen} is not selective");
        }
        let method = format!(
            "one thread, FilterSet::pass on every record of a log of {STORED}, {what}; median of \
             {SAMPLES}"
        );
        let target = Target::AtLeast(target);
        summary.put("observe", key, median(&rates), target, &method);
    }
    Ok(())
}

/// Runs a request to its end; the flows it told.
fn run(log: &Log, context: &filter::Context, wanted: Vec<FlowFilter>) -> usize {
    let request = GetFlowsRequest {
        whitelist: wanted,
        ..GetFlowsRequest::default()
    };
    let Ok(plan) = Plan::compile(&request, context) else {
        return 0;
    };
    let mut encoder = encoder(context);
    let (mut query, mut told, mut bytes) = (plan.start(log), 0, Vec::new());
    loop {
        match query.step(0) {
            Step::Flow(flow) => {
                bytes.clear();
                encoder.response(&flow, &mut bytes);
                told += 1;
            }
            Step::Lost(_) | Step::Busy => {}
            Step::Wait | Step::End => return told,
        }
    }
}

fn encoder(context: &filter::Context) -> Encoder {
    let view = View {
        directory: context.directory.clone(),
        boot: context.boot,
    };
    Encoder::new(view, Mask::default())
}

fn answer(summary: &mut Summary, log: &Log, context: &filter::Context) {
    let (mut times, mut told) = (Vec::new(), 0);
    for _ in 0..SAMPLES {
        let start = Instant::now();
        told = run(log, context, vec![selective()]);
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    let method = format!(
        "one thread, GetFlows of all of {STORED} stored flows with protocol, port and pod, from the \
         request to the encoded answers ({told}), without a socket; median of {SAMPLES}"
    );
    let target = Target::AtMost(100.0);
    summary.put(
        "observe",
        "get_flows_of_a_million_ms",
        median(&times),
        target,
        &method,
    );
}

fn follower(summary: &mut Summary, log: &Log, context: &filter::Context) {
    let mut costs = Vec::new();
    for _ in 0..SAMPLES {
        let start = Instant::now();
        let told = run(log, context, Vec::new());
        costs.push(start.elapsed().as_secs_f64() * 1e9 / float(told.max(1)));
    }
    let method = format!(
        "one thread, a reader of every flow of a log of {STORED}: found, encoded in full, not sent; \
         nanoseconds a flow; median of {SAMPLES}"
    );
    let target = Target::AtMost(2_000.0);
    summary.put(
        "observe",
        "follower_ns_per_flow",
        median(&costs),
        target,
        &method,
    );
}
