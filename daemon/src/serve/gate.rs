//! The gate as gRPC meets it: who asks, may they, how did it end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, Request, Response, header};
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::counted;
use crate::access::audit::Entry;
use crate::access::limits::StreamPermit;
use crate::access::rights::find;
use crate::access::{Gate, Grant, Peer, Reason, Refusal, Scope};
use crate::metrics::calls::Calls;

/// Tells clients of gRPC that try again by themselves when to.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
const TRY_AGAIN_IN: &str = "1000";

/// What a handler tells the record about its request: filters, names of policies.
#[derive(Clone, Debug, Default)]
pub(super) struct About(Arc<Mutex<String>>);

/// Puts what a request is about on record.
pub(super) fn about<T>(request: &tonic::Request<T>, text: impl FnOnce() -> String) {
    if let Some(about) = request.extensions().get::<About>() {
        *about.0.lock() = text();
    }
}

/// What the client of a request sees.
///
/// # Errors
///
/// When the request did not come through the gate, which is a mistake in this crate.
pub(super) fn scope<T>(request: &tonic::Request<T>) -> Result<Scope, Status> {
    let grant = request.extensions().get::<Grant>();
    grant
        .map(Grant::scope)
        .ok_or_else(|| Status::internal("a request that did not come through the gate"))
}

/// Who asks, as limits know it.
pub(super) fn client<T>(request: &tonic::Request<T>) -> String {
    let grant = request.extensions().get::<Grant>();
    grant.map_or_else(String::new, |grant| grant.client.clone())
}

/// Puts the gate before the services.
#[derive(Clone, Debug)]
pub(super) struct GateLayer {
    pub(super) gate: Gate,
    pub(super) calls: Calls,
}

impl Layer<Routes> for GateLayer {
    type Service = Gated;

    fn layer(&self, routes: Routes) -> Gated {
        Gated {
            gate: self.gate.clone(),
            calls: self.calls.clone(),
            routes,
        }
    }
}

/// The services behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Gated {
    gate: Gate,
    calls: Calls,
    routes: Routes,
}

impl Service<Request<Body>> for Gated {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (gate, mut routes) = (self.gate.clone(), self.routes.clone());
        let (call, began) = (self.calls.start(request.uri().path()), Instant::now());
        Box::pin(async move {
            let Some(call) = call else {
                return Ok(answer(&gate, &mut routes, request).await);
            };
            let request = counted::request(request, &call);
            let response = answer(&gate, &mut routes, request).await;
            Ok(counted::response(response, call, began))
        })
    }
}

async fn answer(gate: &Gate, routes: &mut Routes, mut request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let Some(call) = find(&path) else {
        return Status::unimplemented(format!("flowd has no {path}")).into_http();
    };
    let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
        return Status::internal("a connection without a client").into_http();
    };
    let passed = match gate.pass(&peer, bearer(request.headers()), call) {
        Ok(passed) => passed,
        Err(refusal) => return status(&refusal).into_http(),
    };
    let (grant, notes) = (passed.grant, About::default());
    request.extensions_mut().insert(grant.clone());
    request.extensions_mut().insert(notes.clone());
    let Ok(mut response) = Service::call(routes, request).await;
    let code = Status::from_header_map(response.headers()).map(|status| status.code());
    if code == Some(Code::OutOfRange)
        && let Some(refusal) = too_large(response.headers(), gate)
    {
        gate.count(&grant.client, refusal.reason, &refusal.text);
        response = status(&refusal).into_http();
    }
    let outcome = match code {
        None | Some(Code::Ok) => "ok".to_owned(),
        Some(code) => format!("{code:?}"),
    };
    gate.audit().write(&Entry {
        client: with_process(&grant.client, &peer),
        role: grant.role.name(),
        call: call.path,
        outcome: &outcome,
        about: &notes.0.lock(),
    });
    match passed.permit {
        Some(permit) => response.map(|body| {
            Body::new(Held {
                body,
                _permit: permit,
            })
        }),
        None => response,
    }
}

fn with_process(client: &str, peer: &Peer) -> String {
    match peer {
        Peer::Unix { pid: Some(pid), .. } => format!("{client} (pid {pid})"),
        Peer::Unix { pid: None, .. } => client.to_owned(),
        Peer::Loopback(address) => format!("{client} ({address})"),
        Peer::Tls { address, .. } => format!("{client} ({address})"),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A message over the bound, which tonic tells in its own way.
fn too_large(headers: &HeaderMap, gate: &Gate) -> Option<Refusal> {
    let told = Status::from_header_map(headers)?;
    let told = told
        .message()
        .contains("message length too large")
        .then_some(told)?;
    let most = gate.limits().section().message_bytes;
    Some(Refusal {
        reason: Reason::MessageSize,
        text: format!(
            "the request is larger than {most} bytes, which is the limit ({}); ask with fewer \
             filters, or raise limits.message_bytes in flowd's configuration",
            told.message()
        ),
    })
}

/// A refusal as gRPC tells it.
pub(super) fn status(refusal: &Refusal) -> Status {
    let text = refusal.text.clone();
    match refusal.reason {
        Reason::UnknownClient | Reason::NoRight => Status::permission_denied(text),
        Reason::UnknownCa
        | Reason::CertificateExpired
        | Reason::CertificateNotYetValid
        | Reason::NoCertificate
        | Reason::BadCertificate
        | Reason::HandshakeFailed
        | Reason::UnknownToken => Status::unauthenticated(text),
        Reason::RequestRate => {
            let mut status = Status::resource_exhausted(text);
            let later = MetadataValue::from_static(TRY_AGAIN_IN);
            status.metadata_mut().insert(PUSHBACK, later);
            status
        }
        Reason::StreamsOfClient
        | Reason::StreamsOfAll
        | Reason::Connections
        | Reason::MessageSize
        | Reason::FilterCost => Status::resource_exhausted(text),
    }
}

/// An answer that holds its place among the streams as long as it lasts.
struct Held {
    body: Body,
    _permit: StreamPermit,
}

impl http_body::Body for Held {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
