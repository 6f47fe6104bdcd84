//! `GetFlows` with its own codec, in front of the generated service that has the other calls.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::observer::observer_server::ObserverServer;
use futures_core::Stream;
use http::Request as HttpRequest;
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::codec::{FlowsCodec, Slot};
use super::observer::ObserverService;
use crate::serve::stream::{FlowStream, Outgoing};

const GET_FLOWS: &str = "/observer.Observer/GetFlows";

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
        if request.uri().path() != GET_FLOWS {
            return self.others.call(request);
        }
        let slot: Slot = Arc::new(Mutex::new(None));
        let call = GetFlows {
            observer: self.observer.clone(),
            slot: slot.clone(),
        };
        Box::pin(async move {
            let most = call.observer.max_request();
            let mut grpc = Grpc::new(FlowsCodec(slot)).max_decoding_message_size(most);
            Ok(grpc.server_streaming(call, request).await)
        })
    }
}

struct GetFlows {
    observer: ObserverService,
    slot: Slot,
}

impl ServerStreamingService<GetFlowsRequest> for GetFlows {
    type Response = Outgoing;
    type ResponseStream = Infallibly;
    type Future = BoxFuture<Response<Infallibly>, Status>;

    fn call(&mut self, request: Request<GetFlowsRequest>) -> Self::Future {
        let (observer, slot) = (self.observer.clone(), self.slot.clone());
        Box::pin(async move {
            let (stream, encoder) = observer.flows(&request).await?;
            *slot.lock() = Some(encoder);
            Ok(Response::new(Infallibly(stream)))
        })
    }
}

/// A stream of flows never fails once it has started.
pub(super) struct Infallibly(FlowStream);

impl Stream for Infallibly {
    type Item = Result<Outgoing, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|item| item.map(Ok))
    }
}
