//! The services through the real client, over a unix socket.

mod aggregates;
mod flows;
mod reach;
mod services;
mod why;

use std::path::Path;
use std::time::Duration;

use flowd_abi::Event;
use flowd_proto::Timestamp;
use flowd_proto::flow::{Flow, FlowFilter, Verdict};
use flowd_proto::observer::get_flows_response::ResponseTypes;
use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{GetFlowsRequest, GetFlowsResponse};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Streaming};

use super::*;
use crate::flow::testing::{OFFSET, World, dropped, open};
use crate::serve::listen;

/// Long enough for any machine; no test waits for it in vain.
const PATIENCE: Duration = Duration::from_secs(30);

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: OFFSET / 1_000_000_000 + second,
        nanos: 0,
    })
}

fn drops() -> FlowFilter {
    FlowFilter {
        verdict: vec![Verdict::Dropped as i32],
        ..FlowFilter::default()
    }
}

struct Served {
    world: World,
    channel: Channel,
    server: JoinHandle<Result<(), ServeError>>,
    _directory: tempfile::TempDir,
}

impl Served {
    async fn new(capacity: usize, options: Options) -> Self {
        let world = World::new(capacity);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flowd.sock");
        let (listener, file) = listen::unix(&path, None).unwrap();
        let routes = routes(&world.sources, &options).await.unwrap();
        let sources = world.sources.clone();
        let server = tokio::spawn(async move {
            let _file = file;
            serve(Door::Unix(listener), routes, &sources).await
        });
        Self {
            world,
            channel: connect(&path).await,
            server,
            _directory: directory,
        }
    }

    /// A server with ten TCP openings a second apart, every third one dropped.
    async fn with_ten() -> Self {
        let mut served = Self::new(1_000, Options::default()).await;
        for number in 0..10 {
            served.world.tell(&[numbered(number)]);
        }
        served
    }

    fn observer(&self) -> ObserverClient<Channel> {
        ObserverClient::new(self.channel.clone())
    }

    async fn flows(&self, request: GetFlowsRequest) -> Vec<u32> {
        let stream = self.observer().get_flows(request).await.unwrap();
        let mut stream = stream.into_inner();
        let mut ports = Vec::new();
        while let Some(response) = next(&mut stream).await {
            ports.push(port(&flow_of(response)));
        }
        ports
    }

    async fn refused(&self, request: GetFlowsRequest) -> tonic::Status {
        self.observer().get_flows(request).await.unwrap_err()
    }
}

async fn connect(path: &Path) -> Channel {
    let path = path.to_owned();
    Endpoint::from_static("http://flowd")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .unwrap()
}

/// The opening of connection `number`, at second `number`; its local port is its number.
fn numbered(number: u16) -> Event {
    let event = if number.is_multiple_of(3) {
        dropped()
    } else {
        open()
    };
    Event {
        time: u64::from(number) * 1_000_000_000,
        local_port: number,
        remote_port: number,
        ..event
    }
}

async fn next(stream: &mut Streaming<GetFlowsResponse>) -> Option<GetFlowsResponse> {
    timeout(PATIENCE, stream.message()).await.unwrap().unwrap()
}

fn flow_of(response: GetFlowsResponse) -> Flow {
    match response.response_types {
        Some(ResponseTypes::Flow(flow)) => flow,
        other => panic!("no flow: {other:?}"),
    }
}

fn port(flow: &Flow) -> u32 {
    use flowd_proto::flow::layer4::Protocol;
    match flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref()) {
        Some(Protocol::Tcp(tcp)) => tcp.source_port,
        Some(Protocol::Udp(udp)) => udp.source_port,
        other => panic!("no port: {other:?}"),
    }
}
