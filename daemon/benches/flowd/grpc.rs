//! Flows a second to one follower: the daemon's own gRPC server over a unix socket, serving a full
//! log to a client that decodes and counts.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use flowd::{
    enrich::{Directory, DirectoryHandle},
    flow::{Clock, log, pipeline::Ring},
    metrics::FlowMetrics,
    observe::uuid::Boot,
    serve::{Door, Sources, grpc, listen, status::StatusHandle, stop::stop},
};
use flowd_proto::observer::{GetFlowsRequest, observer_client::ObserverClient};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Endpoint, Uri};

use crate::{
    summary::{Summary, Target},
    userspace::{DISTINCT, EVENT, READ, directory, float, records, world},
};

/// Measures the way to a follower.
pub(crate) fn measure(summary: &mut Summary) -> Result<(), Box<dyn Error>> {
    let rate = follow(&Arc::new(directory()), &records())?;
    let method = format!(
        "GetFlows(follow) of a full log of {} flows over a unix socket; server and client one thread \
         each, on this machine; median of 5",
        log::DEFAULT_CAPACITY
    );
    summary.put(
        "grpc",
        "flows_per_second_one_follower",
        rate,
        Target::AtLeast(300_000.0),
        &method,
    );
    Ok(())
}

/// Flows per second that one client gets and decodes, of a full log.
fn follow(directory: &Arc<Directory>, raw: &[[u8; EVENT]]) -> Result<f64, Box<dyn Error>> {
    let (mut pipeline, log) = world();
    for _ in 0..log::DEFAULT_CAPACITY / DISTINCT {
        for read in raw.chunks(READ) {
            let records = read.iter().map(<[u8; EVENT]>::as_slice);
            pipeline.ingest(Ring::Events, records, Clock { offset: 1 }, directory);
        }
    }
    let (_stopper, stop) = stop();
    let sources = Sources {
        log,
        directory: DirectoryHandle::new(Directory::clone(directory)),
        policies: Default::default(),
        status: StatusHandle::default(),
        flows: Arc::new(FlowMetrics::default()),
        boot: Boot::random(),
        stop,
        gate: Default::default(),
        exports: Default::default(),
    };
    let socket = std::env::temp_dir().join(format!("flowd-bench-{}.sock", std::process::id()));
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (listener, _file) = server.block_on(async { listen::unix(&socket, None) })?;
    server.spawn(async move {
        let routes = grpc::routes(&sources, &grpc::Options::default()).await?;
        grpc::serve(Door::Unix(listener), routes, &sources).await
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
