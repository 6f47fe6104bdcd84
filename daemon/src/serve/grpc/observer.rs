//! `observer.Observer`.

use std::collections::{BTreeSet, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use flowd_proto::observer::observer_server::Observer;
use flowd_proto::observer::{
    GetAgentEventsRequest, GetAgentEventsResponse, GetDebugEventsRequest, GetDebugEventsResponse,
    GetFlowsRequest, GetFlowsResponse, GetNamespacesRequest, GetNamespacesResponse,
    GetNodesRequest, GetNodesResponse, Namespace, Node, ServerStatusRequest, ServerStatusResponse,
};
use flowd_proto::relay::NodeState;
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::Options;
use super::events::{self, EventStream};
use crate::flow::Log;
use crate::observe::CLUSTER;
use crate::observe::flow::VERSION;
use crate::observe::wire::Encoder;
use crate::serve::stream::{FlowStream, Outgoing, plan};
use crate::serve::{Sources, answer, now};

/// The window of the flow rate.
const RATE_SECONDS: u32 = 60;

/// Serves flows.
#[derive(Clone)]
pub(super) struct ObserverService {
    sources: Sources,
    options: Options,
    streams: Arc<Semaphore>,
}

impl ObserverService {
    pub(super) fn new(sources: Sources, options: Options, streams: Arc<Semaphore>) -> Self {
        Self {
            sources,
            options,
            streams,
        }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{} streams are open, which is the limit; close one or raise it in flowd's \
                 configuration",
                self.options.max_streams
            ))
        })
    }

    /// The stream of a request, and what encodes its flows.
    pub(super) async fn flows(
        &self,
        request: &GetFlowsRequest,
    ) -> Result<(FlowStream, Encoder), Status> {
        let plan = plan(&self.sources, request)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let permit = self.permit()?;
        let encoder = Encoder::new(self.sources.view(), plan.mask.clone());
        let stream = FlowStream::start(&self.sources, plan, Some(permit))
            .await
            .ok_or_else(|| Status::unavailable("flowd is stopping"))?;
        Ok((stream, encoder))
    }
}

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Observer for ObserverService {
    type GetFlowsStream = Messages;
    type GetAgentEventsStream = Boxed<GetAgentEventsResponse>;
    type GetDebugEventsStream = Boxed<GetDebugEventsResponse>;

    async fn get_flows(
        &self,
        request: Request<GetFlowsRequest>,
    ) -> Result<Response<Messages>, Status> {
        let (stream, encoder) = self.flows(request.get_ref()).await?;
        Ok(Response::new(Messages { stream, encoder }))
    }

    async fn get_agent_events(
        &self,
        request: Request<GetAgentEventsRequest>,
    ) -> Result<Response<Self::GetAgentEventsStream>, Status> {
        let permit = self.permit()?;
        let asked = events::of_hubble(request.get_ref());
        let stream = EventStream::start(&self.sources, &asked, permit)?;
        let node_name = self.sources.directory.load().node_name.clone();
        Ok(Response::new(Box::pin(stream.map(move |told| {
            Ok(events::agent_response(&told, &node_name))
        }))))
    }

    async fn get_debug_events(
        &self,
        _: Request<GetDebugEventsRequest>,
    ) -> Result<Response<Self::GetDebugEventsStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::empty())))
    }

    async fn get_nodes(
        &self,
        _: Request<GetNodesRequest>,
    ) -> Result<Response<GetNodesResponse>, Status> {
        let log = &self.sources.log;
        let ourselves = Node {
            name: self.sources.directory.load().node_name.clone(),
            version: VERSION.to_owned(),
            address: self.options.address.clone(),
            state: NodeState::NodeConnected as i32,
            tls: None,
            uptime_ns: answer::uptime(&self.sources.status.load()),
            num_flows: log.stored() as u64,
            max_flows: log.capacity() as u64,
            seen_flows: log.seen(),
        };
        Ok(Response::new(GetNodesResponse {
            nodes: vec![ourselves],
        }))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let sources = self.sources.clone();
        let names = tokio::task::spawn_blocking(move || namespaces(&sources))
            .await
            .map_err(|_| Status::unavailable("flowd is stopping"))?;
        Ok(Response::new(GetNamespacesResponse {
            namespaces: names
                .into_iter()
                .map(|namespace| Namespace {
                    cluster: CLUSTER.to_owned(),
                    namespace,
                })
                .collect(),
        }))
    }

    async fn server_status(
        &self,
        _: Request<ServerStatusRequest>,
    ) -> Result<Response<ServerStatusResponse>, Status> {
        let log = &self.sources.log;
        Ok(Response::new(ServerStatusResponse {
            num_flows: log.stored() as u64,
            max_flows: log.capacity() as u64,
            seen_flows: log.seen(),
            uptime_ns: answer::uptime(&self.sources.status.load()),
            version: format!("flowd v{VERSION}"),
            flows_rate: rate(log, now()),
            ..ServerStatusResponse::default()
        }))
    }
}

/// Namespaces of the workloads known now and of the flows stored.
fn namespaces(sources: &Sources) -> BTreeSet<String> {
    let directory = sources.directory.snapshot();
    let mut names: BTreeSet<String> = directory
        .endpoints
        .values()
        .map(|workload| workload.namespace.clone())
        .collect();
    let mut seen = HashSet::new();
    let mut position = sources.log.seen();
    while let Some(segment) = sources.log.before(position) {
        position = segment.first();
        for record in segment.records() {
            for party in [&record.local, &record.peer] {
                if seen.insert(Arc::as_ptr(party)) {
                    names.insert(party.namespace.clone());
                }
            }
        }
    }
    names.remove("");
    names
}

/// Flows per second over the last minute, or over as much of it as is stored.
fn rate(log: &Log, now: i64) -> f64 {
    let start = now.saturating_sub(i64::from(RATE_SECONDS) * 1_000_000_000);
    let (mut position, mut flows) = (log.seen(), 0_u32);
    while let Some(segment) = log.before(position) {
        if segment.newest() < start {
            break;
        }
        position = segment.first();
        let recent = segment
            .records()
            .iter()
            .filter(|record| record.time >= start)
            .count();
        flows = flows.saturating_add(u32::try_from(recent).unwrap_or(u32::MAX));
    }
    f64::from(flows) / f64::from(RATE_SECONDS)
}

/// Flows as messages, for whoever mounts the generated service itself.
pub(super) struct Messages {
    stream: FlowStream,
    encoder: Encoder,
}

impl Stream for Messages {
    type Item = Result<GetFlowsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Pin::new(&mut this.stream).poll_next(context).map(|item| {
            item.map(|outgoing| match outgoing {
                Outgoing::Flow(flow) => Ok(this.encoder.message(&flow)),
                Outgoing::Lost(lost) => Ok(this.encoder.lost_message(lost)),
            })
        })
    }
}
