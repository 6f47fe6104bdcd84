//! What a verdict costs in userspace: from raw ring record to stored flow with metrics on, and from
//! stored flow to one follower over the unix socket.
//!
//! `cargo bench -p flowd --bench userspace`; prints one JSON object. `--quick` runs a tenth.

use std::alloc::System;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowd::enrich::{Directory, DirectoryHandle, Workload};
use flowd::flow::pipeline::Ring;
use flowd::flow::{Clock, Log, Pipeline, log};
use flowd::metrics::FlowMetrics;
use flowd::observe::uuid::Boot;
use flowd::serve::status::StatusHandle;
use flowd::serve::stop::stop;
use flowd::serve::{Sources, grpc, listen};
use flowd_abi::{Address, DropReason, Event, EventKind, ForwardReason, Verdict};
use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::observer::observer_client::ObserverClient;
use hyper_util::rt::TokioIo;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::net::UnixStream;
use tonic::transport::{Endpoint, Uri};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Distinct raw records that are told over and over.
const DISTINCT: usize = 4_096;
/// Records per ring read.
const READ: usize = 512;
/// Workloads in the directory.
const WORKLOADS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = if std::env::args().any(|argument| argument == "--quick") {
        1
    } else {
        10
    };
    let directory = Arc::new(directory());
    let raw = records();
    let (mut rates, mut allocations) = (Vec::new(), 0.0_f64);
    for _ in 0..5 {
        let (rate, per_event) = ingest(&directory, &raw, rounds);
        rates.push(rate);
        allocations = allocations.max(per_event);
    }
    rates.sort_by(f64::total_cmp);
    let followed = follow(&directory, &raw)?;
    println!(
        "{{\"userspace\":{{\"events_per_second_per_core\":{:.0},\"allocations_per_event\":{:.6}}},\
         \"grpc\":{{\"flows_per_second_one_follower\":{followed:.0}}}}}",
        rates[rates.len() / 2],
        allocations,
    );
    Ok(())
}

/// Events per second of one thread, and heap allocations per event, once the log is full.
fn ingest(directory: &Arc<Directory>, raw: &[[u8; 144]], rounds: usize) -> (f64, f64) {
    let (mut pipeline, _log) = world();
    let mut tell = |times: usize| {
        for _ in 0..times {
            for read in raw.chunks(READ) {
                let records = read.iter().map(<[u8; 144]>::as_slice);
                pipeline.ingest(Ring::Events, records, Clock { offset: 1 }, directory);
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

/// Flows per second that one client gets and decodes, of a full log.
fn follow(directory: &Arc<Directory>, raw: &[[u8; 144]]) -> Result<f64, Box<dyn Error>> {
    let (mut pipeline, log) = world();
    for _ in 0..log::DEFAULT_CAPACITY / DISTINCT {
        for read in raw.chunks(READ) {
            let records = read.iter().map(<[u8; 144]>::as_slice);
            pipeline.ingest(Ring::Events, records, Clock { offset: 1 }, directory);
        }
    }
    let (_stopper, stop) = stop();
    let sources = Sources {
        log,
        directory: DirectoryHandle::new(Directory::clone(directory)),
        status: StatusHandle::default(),
        flows: Arc::new(FlowMetrics::default()),
        boot: Boot::random(),
        stop,
    };
    let socket = std::env::temp_dir().join(format!("flowd-bench-{}.sock", std::process::id()));
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (listener, _file) = server.block_on(async { listen::unix(&socket) })?;
    server.spawn(async move {
        let routes = grpc::routes(&sources, &grpc::Options::default()).await?;
        grpc::serve_unix(listener, routes, &sources).await
    });
    let client = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let rate = client.block_on(async {
        let channel = Endpoint::from_static("http://flowd")
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 20)
            .connect_with_connector(tower::service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        let mut observer = ObserverClient::new(channel);
        let mut rates = Vec::new();
        for _ in 0..5 {
            let request = GetFlowsRequest {
                follow: true,
                number: u64::MAX,
                ..GetFlowsRequest::default()
            };
            let mut stream = observer.get_flows(request).await?.into_inner();
            let (start, mut flows) = (Instant::now(), 0);
            while flows < log::DEFAULT_CAPACITY && stream.message().await?.is_some() {
                flows += 1;
            }
            rates.push(float(flows) / start.elapsed().as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        Ok::<f64, Box<dyn Error>>(rates[rates.len() / 2])
    });
    server.shutdown_timeout(Duration::from_secs(1));
    rate
}

fn world() -> (Pipeline, Log) {
    let (writer, log) = log::new(log::DEFAULT_CAPACITY);
    (Pipeline::new(writer, Arc::new(FlowMetrics::default())), log)
}

fn directory() -> Directory {
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
fn records() -> Vec<[u8; 144]> {
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
    (0..DISTINCT as u32)
        .map(|number| {
            let (kind, verdict, flags) = kinds[number as usize % kinds.len()];
            let (verdict, reason) = verdict.to_numbers();
            let (local, peer) = (1 + number % WORKLOADS, 1 + number * 7 % (WORKLOADS * 2));
            let in_house = peer <= WORKLOADS;
            raw(&Event {
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
            })
        })
        .collect()
}

/// The bytes the kernel would write.
fn raw(event: &Event) -> [u8; 144] {
    let mut bytes = Vec::with_capacity(144);
    for number in [event.time, event.created] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(event.local.0);
    bytes.extend(event.remote.0);
    for number in [
        event.sent_packets,
        event.sent_bytes,
        event.received_packets,
        event.received_bytes,
    ] {
        bytes.extend(number.to_ne_bytes());
    }
    for number in [
        event.endpoint,
        event.peer_identity,
        event.peer_class,
        event.rule,
        event.policy,
        event.generation,
        event.ifindex,
        event.length,
    ] {
        bytes.extend(number.to_ne_bytes());
    }
    for number in [event.local_port, event.remote_port, event.ethertype] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend([
        event.protocol,
        event.kind,
        event.verdict,
        event.reason,
        event.direction,
        event.origin,
        event.state,
        event.tcp_flags,
        event.icmp_type,
        event.icmp_code,
        event.flags,
        event.match_type,
    ]);
    bytes.extend(event.source_mac);
    bytes.extend(event.destination_mac);
    bytes.extend(event.pad);
    bytes.try_into().unwrap_or([0; 144])
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}
