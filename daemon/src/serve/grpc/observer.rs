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
    Tls,
};
use flowd_proto::relay::NodeState;
use futures_core::Stream;
use http::HeaderValue;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::Options;
use super::events::{self, EventStream};
use crate::access::Reason;
use crate::clock::now;
use crate::flow::Log;
use crate::observe::CLUSTER;
use crate::observe::flow::VERSION;
use crate::observe::query::QueryError;
use crate::observe::wire::Encoder;
use crate::serve::stream::{FlowStream, Outgoing, plan};
use crate::serve::{Sources, answer, gate};

/// How long a namespace that no workload is in is told after its last flow: an hour, nanoseconds.
const NAMESPACE_AGE: i64 = 3_600_000_000_000;
/// The window of the flow rate.
const RATE_SECONDS: u32 = 60;

/// Serves flows.
#[derive(Clone)]
pub(super) struct ObserverService {
    sources: Sources,
    options: Options,
}

impl ObserverService {
    pub(super) fn new(sources: Sources, options: Options) -> Self {
        Self { sources, options }
    }

    /// Bytes of a request, at most.
    pub(super) const fn max_request(&self) -> usize {
        self.options.max_request
    }

    /// What Hubble's clients are told for a version.
    pub(super) fn server_version(&self) -> Option<HeaderValue> {
        let version = self.options.hubble_server_version.as_deref()?;
        HeaderValue::from_str(version).ok()
    }

    /// The stream of a request, and what encodes its flows.
    pub(super) async fn flows(
        &self,
        request: &Request<GetFlowsRequest>,
    ) -> Result<(FlowStream, Encoder), Status> {
        let scope = gate::scope(request)?;
        gate::about(request, || filters(request.get_ref()));
        let plan = plan(&self.sources, &scope, request.get_ref())
            .map_err(|error| self.refused(request, &error))?;
        let encoder = Encoder::new(self.sources.view(), plan.mask.clone());
        let stream = FlowStream::start(&self.sources, plan, None)
            .await
            .ok_or_else(|| Status::unavailable("flowd is stopping"))?;
        Ok((stream, encoder))
    }

    fn refused(&self, request: &Request<GetFlowsRequest>, error: &QueryError) -> Status {
        if !error.is_too_much() {
            return Status::invalid_argument(error.to_string());
        }
        let text = format!("{error}; ask for less in one request");
        let gate = &self.sources.gate;
        gate.count(&gate::client(request), Reason::FilterCost, &text);
        Status::resource_exhausted(text)
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
        let (stream, encoder) = self.flows(&request).await?;
        Ok(Response::new(Messages { stream, encoder }))
    }

    async fn get_agent_events(
        &self,
        request: Request<GetAgentEventsRequest>,
    ) -> Result<Response<Self::GetAgentEventsStream>, Status> {
        let scope = gate::scope(&request)?;
        let asked = events::of_hubble(request.get_ref());
        let stream = EventStream::start(&self.sources, scope, &asked)?;
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
            tls: Some(Tls {
                enabled: self.options.tls_server_name.is_some(),
                server_name: self.options.tls_server_name.clone().unwrap_or_default(),
            }),
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
        request: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let scope = gate::scope(&request)?;
        let sources = self.sources.clone();
        let names = tokio::task::spawn_blocking(move || namespaces(&sources))
            .await
            .map_err(|_| Status::unavailable("flowd is stopping"))?;
        Ok(Response::new(GetNamespacesResponse {
            namespaces: names
                .into_iter()
                .filter(|namespace| scope.sees(namespace))
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

/// The filters of a request, as they are put on record.
fn filters(request: &GetFlowsRequest) -> String {
    let json = |list| serde_json::to_string(list).unwrap_or_default();
    let mut text = String::new();
    for (name, list) in [("allow", &request.whitelist), ("deny", &request.blacklist)] {
        if !list.is_empty() {
            text = format!("{text}{name} {} ", json(list));
        }
    }
    text.trim_end().to_owned()
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
    let seen_since = now().saturating_sub(NAMESPACE_AGE);
    while let Some(segment) = sources.log.before(position) {
        if segment.newest() < seen_since {
            break;
        }
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
