//! A server with fixed answers behind a Unix socket, for the tests of the command line.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use flowd_proto::Timestamp;
use flowd_proto::flow::{CiliumEventType, Flow, Ip, TrafficDirection, Verdict};
use flowd_proto::flowd::v1::flowd_server::{Flowd, FlowdServer};
use flowd_proto::flowd::v1::{
    EndpointStatus, ExplainRequest, ExplainResponse, Ledger, LedgerRow, PolicyStatus, SourceLoss,
    StatusRequest, StatusResponse, WhyRequest, WhyResponse,
};
use flowd_proto::observer::get_flows_response::ResponseTypes;
use flowd_proto::observer::observer_server::{Observer, ObserverServer};
use flowd_proto::observer::*;
use flowd_proto::relay::NodeState;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// flowd, all well.
    Healthy,
    /// flowd, in trouble.
    Sick,
    /// Hubble: no `flowd.v1`.
    Hubble,
}

/// A running server; it ends with this value.
pub(crate) struct FakeServer {
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeServer {
    /// Starts one; it listens when this returns.
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("flowd.sock");
        let (stop, stopped) = oneshot::channel();
        let (listening, ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(serve(kind, &path, listening, stopped));
        });
        ready.recv().expect("the server listens");
        Self {
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("flowd.sock")
    }

    /// Its address for `--server`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}

async fn serve(
    kind: Kind,
    path: &Path,
    listening: mpsc::Sender<()>,
    stopped: oneshot::Receiver<()>,
) {
    let listener = UnixListener::bind(path).expect("a socket");
    listening.send(()).expect("the test waits");
    let ours = (kind != Kind::Hubble).then(|| FlowdServer::new(Fake(kind)));
    let server = Server::builder().add_service(ObserverServer::new(Fake(kind)));
    let (health, health_server) = tonic_health::server::health_reporter();
    health
        .set_service_status(
            "hubble.server.Observer",
            tonic_health::ServingStatus::Serving,
        )
        .await;
    let served = server
        .add_optional_service(ours)
        .add_service(health_server)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async {
            // Its sender is dropped to stop it.
            let _ = stopped.await;
        });
    served.await.expect("served to the end");
}

struct Fake(Kind);

fn flow(number: u64) -> GetFlowsResponse {
    let time = Some(Timestamp {
        seconds: 1_700_000_000,
        nanos: number as i32,
    });
    let flow = Flow {
        time,
        uuid: format!("flow-{number}"),
        verdict: Verdict::Dropped.into(),
        ip: Some(Ip {
            source: "10.0.0.1".into(),
            destination: "10.0.0.2".into(),
            ..Ip::default()
        }),
        event_type: Some(CiliumEventType {
            r#type: 1,
            sub_type: 133,
        }),
        traffic_direction: TrafficDirection::Ingress.into(),
        is_reply: Some(false),
        summary: "ICMPv4 EchoRequest".into(),
        ..Flow::default()
    };
    GetFlowsResponse {
        node_name: "k8s1".into(),
        time,
        response_types: Some(ResponseTypes::Flow(flow)),
    }
}

#[tonic::async_trait]
impl Observer for Fake {
    type GetFlowsStream = Answers<GetFlowsResponse>;
    type GetAgentEventsStream = Answers<GetAgentEventsResponse>;
    type GetDebugEventsStream = Answers<GetDebugEventsResponse>;

    async fn get_flows(
        &self,
        request: Request<GetFlowsRequest>,
    ) -> Result<Response<Self::GetFlowsStream>, Status> {
        let request = request.into_inner();
        if request
            .whitelist
            .iter()
            .any(|filter| filter.source_ip.iter().any(|ip| ip == "bad"))
        {
            return Err(Status::invalid_argument("bad is no address"));
        }
        let number = if request.follow {
            u64::MAX
        } else {
            request.number
        };
        let flows = tokio_stream::iter((0..number).map(|number| Ok(flow(number))));
        if request.first {
            let broken = tokio_stream::once(Err(Status::unavailable("shutting down")));
            return Ok(Response::new(Box::pin(flows.chain(broken))));
        }
        Ok(Response::new(Box::pin(flows)))
    }

    async fn get_agent_events(
        &self,
        _: Request<GetAgentEventsRequest>,
    ) -> Result<Response<Self::GetAgentEventsStream>, Status> {
        Err(Status::unimplemented("no agent events"))
    }

    async fn get_debug_events(
        &self,
        _: Request<GetDebugEventsRequest>,
    ) -> Result<Response<Self::GetDebugEventsStream>, Status> {
        Err(Status::unimplemented("no debug events"))
    }

    async fn get_nodes(
        &self,
        _: Request<GetNodesRequest>,
    ) -> Result<Response<GetNodesResponse>, Status> {
        let state = NodeState::NodeConnected.into();
        let nodes = vec![Node {
            name: "k8s1".into(),
            state,
            ..Node::default()
        }];
        Ok(Response::new(GetNodesResponse { nodes }))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let shop = Namespace {
            cluster: "default".into(),
            namespace: "shop".into(),
        };
        Ok(Response::new(GetNamespacesResponse {
            namespaces: vec![shop],
        }))
    }

    async fn server_status(
        &self,
        _: Request<ServerStatusRequest>,
    ) -> Result<Response<ServerStatusResponse>, Status> {
        Ok(Response::new(ServerStatusResponse {
            num_flows: 2_031,
            max_flows: 4_095,
            seen_flows: 2_346,
            uptime_ns: 100_000_000_000,
            ..ServerStatusResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl Flowd for Fake {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let healthy = self.0 == Kind::Healthy;
        let problem = "endpoint shop/db is not protected".to_owned();
        Ok(Response::new(StatusResponse {
            version: "0.1.0".into(),
            node_name: "k8s1".into(),
            uptime: Some(flowd_proto::Duration {
                seconds: 182,
                nanos: 0,
            }),
            healthy,
            problems: if healthy { Vec::new() } else { vec![problem] },
            endpoints: vec![EndpointStatus {
                id: 1,
                namespace: "shop".into(),
                name: "db".into(),
                identity: 256,
                interface: "veth1".into(),
                state: if healthy { "protected" } else { "failed" }.into(),
                detail: if healthy { "" } else { "no such device" }.into(),
                mode: "enforce".into(),
                desired_generation: 4,
                enforced_generation: if healthy { 4 } else { 3 },
                ingress_enforced: true,
                policies: vec!["CiliumNetworkPolicy/shop/db".into()],
                ..EndpointStatus::default()
            }],
            policies: vec![PolicyStatus {
                kind: "CiliumNetworkPolicy".into(),
                namespace: "shop".into(),
                name: "db".into(),
                file: "db.yaml".into(),
                line: 1,
                valid: healthy,
                problems: if healthy {
                    Vec::new()
                } else {
                    vec!["unknown field".into()]
                },
                endpoints_selected: 1,
                hits: 1_200,
                last_hit: Some(Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 0,
                }),
                ..PolicyStatus::default()
            }],
            ledger: Some(Ledger {
                rows: vec![LedgerRow {
                    verdict: Verdict::Dropped.into(),
                    reason: "default_denied".into(),
                    direction: TrafficDirection::Ingress.into(),
                    packets: 1_200,
                    bytes: 88_800,
                    told: 3,
                    coalesced: 1_197,
                    ..LedgerRow::default()
                }],
                balanced: healthy,
                log_flows: 3,
                log_capacity: 4_096,
                log_next_seq: 3,
                losses: vec![SourceLoss {
                    source: "follower".into(),
                    count: u64::from(!healthy),
                }],
                ..Ledger::default()
            }),
            connections: 10,
            ..StatusResponse::default()
        }))
    }

    async fn why(&self, _: Request<WhyRequest>) -> Result<Response<WhyResponse>, Status> {
        Err(Status::not_found("no such flow"))
    }

    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented("explained offline"))
    }
}
