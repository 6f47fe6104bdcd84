//! What a scrape costs when strangers have filled every family up to its budget.

use std::{error::Error, sync::Arc, time::Instant};

use flowd::{
    enrich::DirectoryHandle,
    flow::{Clock, Pipeline, log, pipeline::Ring},
    metrics::{FlowMetrics, Metrics, Settings, plugin},
    observe::{filter, uuid::Boot},
    serve::status::StatusHandle,
};
use flowd_abi::Address;

use crate::{
    summary::{Summary, Target, median},
    userspace::{EVENT, directory, event, float},
};

/// Every plugin that strangers can move, by address.
const PLUGINS: &str = "flow:sourceContext=ip;destinationContext=pod drop:sourceContext=ip \
    tcp:labelsContext=source_ip,destination_pod port-distribution policy:sourceContext=ip \
    flows-to-world:port icmp connection:sourceContext=ip";
/// Flows from so many addresses to so many ports.
const SCAN: u32 = 50_000;
const SCRAPES: usize = 9;

/// Measures it.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        plugins: plugin::parse(PLUGINS)?,
        ..Settings::default()
    };
    let context = filter::Context {
        directory: DirectoryHandle::default(),
        boot: Boot::random(),
        scope: flowd::access::Scope::All,
    };
    let flows = Arc::new(FlowMetrics::new(&settings, &context)?);
    let (writer, log) = log::new(1_024);
    let mut pipeline = Pipeline::new(writer, flows.clone());
    let directory = Arc::new(directory());
    let scan: Vec<[u8; EVENT]> = (0..SCAN)
        .map(|number| {
            let mut event = event(number);
            event.remote = Address::v4((0xc633_0000 + number / 4 % 10_000).to_be_bytes());
            event.peer_identity = 2;
            (event.remote_port, event.local_port) = (number as u16, (number / 4) as u16);
            event.to_bytes()
        })
        .collect();
    let records = scan.iter().map(<[u8; EVENT]>::as_slice);
    pipeline.ingest(Ring::Events, records, Clock { offset: 1 }, &directory);
    let metrics = Metrics::new(flows, log, StatusHandle::default())?;
    let (mut times, mut lines) = (Vec::new(), 0);
    for _ in 0..SCRAPES {
        let start = Instant::now();
        let text = metrics.text()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        lines = samples.count();
    }
    summary.put(
        "userspace",
        "scrape_milliseconds_at_the_budget",
        median(&times),
        Target::AtMost(100.0),
        &format!("{lines} series, nine families at their budget of 2000; median of {SCRAPES}"),
    );
    summary.put(
        "userspace",
        "scrape_series_at_the_budget",
        float(lines),
        Target::None,
        "what that scrape served",
    );
    Ok(())
}
