//! `GetFlows` with its own codec, in front of the generated service that has the other calls.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::observer::observer_server::ObserverServer;
use futures_core::Stream;
use http::{HeaderValue, Request as HttpRequest};
use parking_lot::Mutex;
use prost::Message as _;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Code, Request, Response, Status};
use tower::Service;

use super::codec::{FlowsCodec, Slot};
use super::observer::ObserverService;
use crate::serve::stream::{FlowStream, Outgoing};

const GET_FLOWS: &str = "/observer.Observer/GetFlows";

/// Metadata that carries a `flowd.v1.Coverage`.
pub(super) const COVERAGE: &str = "flowd-coverage-bin";
/// Metadata by which Hubble's clients compare versions.
const SERVER_VERSION: &str = "hubble-server-version";

/// The observer service as it is mounted.
#[derive(Clone)]
pub(super) struct ObserverWithFlows {
    others: ObserverServer<ObserverService>,
    observer: ObserverService,
}

impl ObserverWithFlows {
    pub(super) fn new(others: ObserverServer<ObserverService>, observer: ObserverService) -> Self {
        Self { others, observer }
    }
}

impl NamedService for ObserverWithFlows {
    const NAME: &'static str = "observer.Observer";
}

impl Service<HttpRequest<Body>> for ObserverWithFlows {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let version = self.observer.server_version();
        if request.uri().path() != GET_FLOWS {
            let answer = self.others.call(request);
            return Box::pin(async move { answer.await.map(|answer| named(answer, version)) });
        }
        let slot: Slot = Arc::new(Mutex::new(None));
        let call = GetFlows {
            observer: self.observer.clone(),
            slot: slot.clone(),
        };
        Box::pin(async move {
            let most = call.observer.max_request();
            let mut grpc = Grpc::new(FlowsCodec(slot)).max_decoding_message_size(most);
            let answer = grpc.server_streaming(call, request).await;
            Ok(named(answer, version))
        })
    }
}

/// With the version, if there is one to tell.
fn named(mut answer: http::Response<Body>, version: Option<HeaderValue>) -> http::Response<Body> {
    if let Some(version) = version {
        answer.headers_mut().insert(SERVER_VERSION, version);
    }
    answer
}

struct GetFlows {
    observer: ObserverService,
    slot: Slot,
}

impl ServerStreamingService<GetFlowsRequest> for GetFlows {
    type Response = Outgoing;
    type ResponseStream = WithCoverage;
    type Future = BoxFuture<Response<WithCoverage>, Status>;

    fn call(&mut self, request: Request<GetFlowsRequest>) -> Self::Future {
        let (observer, slot) = (self.observer.clone(), self.slot.clone());
        Box::pin(async move {
            let (stream, encoder) = observer.flows(&request).await?;
            *slot.lock() = Some(encoder);
            let headers = coverage(&stream);
            let mut response = Response::new(WithCoverage {
                flows: stream,
                over: false,
            });
            *response.metadata_mut() = headers;
            Ok(response)
        })
    }
}

/// Flows, then how far they reach, in the trailers.
pub(super) struct WithCoverage {
    flows: FlowStream,
    over: bool,
}

impl Stream for WithCoverage {
    type Item = Result<Outgoing, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let Some(item) = ready!(Pin::new(&mut self.flows).poll_next(context)) else {
            self.over = true;
            // The one way to trailers of our own; its code says that all went well.
            let metadata = coverage(&self.flows);
            return Poll::Ready(Some(Err(Status::with_metadata(Code::Ok, "", metadata))));
        };
        Poll::Ready(Some(Ok(item)))
    }
}

fn coverage(flows: &FlowStream) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let value = MetadataValue::from_bytes(&flows.coverage().encode_to_vec());
    metadata.insert_bin(COVERAGE, value);
    metadata
}
