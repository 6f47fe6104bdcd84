//! The web page and its HTTP interface: loopback only, behind a token.

mod assets;
mod auth;
mod flows;
mod stream;
mod timeline;
mod why;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Sources, answer};
use crate::access::Grant;
use auth::Sessions;

/// Bytes of a request's body, at most: only logins have one.
const MAX_BODY: usize = 4_096;
/// Answers that are built in memory at once; others wait for their turn.
const MAX_LISTS: usize = 4;

/// Nothing from elsewhere runs or frames the page, and it talks to nobody else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// The call of `access::rights` that each path stands for: it needs the same right and counts
/// against the same limits.
const CALLS: [(&str, &str); 4] = [
    ("/api/v1/status", "/flowd.v1.Flowd/Status"),
    ("/api/v1/flows", "/observer.Observer/GetFlows"),
    ("/api/v1/flows/stream", "/observer.Observer/GetFlows"),
    ("/api/v1/why", "/flowd.v1.Flowd/Why"),
];

#[derive(Clone)]
struct Shared {
    sources: Sources,
    sessions: Arc<Sessions>,
    lists: Arc<Semaphore>,
    whys: Arc<Semaphore>,
}

/// The routes; `token` is what opens them.
pub fn routes(sources: Sources, token: &str) -> Router {
    let shared = Shared {
        sessions: Arc::new(Sessions::new(token, sources.gate.clone())),
        sources,
        lists: Arc::new(Semaphore::new(MAX_LISTS)),
        whys: Arc::new(Semaphore::new(super::why::AT_A_TIME)),
    };
    let inside = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/flows", get(flows::list))
        .route("/api/v1/flows/stream", get(stream::stream))
        .route("/api/v1/why", get(why::why))
        .route_layer(middleware::from_fn_with_state(
            shared.clone(),
            auth::require_session,
        ));
    Router::new()
        .route("/api/v1/login", post(auth::login))
        .merge(inside)
        .route("/", get(auth::index))
        .fallback(assets::asset)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(protect))
        .with_state(shared)
}

/// Serves until told to stop.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(listener: TcpListener, sources: Sources, token: &str) -> std::io::Result<()> {
    let stop = sources.stop.clone();
    // Without it, a batch waits for the acknowledgement of the one before.
    let listener = listener.tap_io(|connection| {
        // A connection that refuses is slower, not wrong.
        let _ = connection.set_nodelay(true);
    });
    let serving =
        axum::serve(listener, routes(sources, token)).with_graceful_shutdown(stop.clone().wait());
    stop.drain(serving.into_future()).await
}

/// Headers of every answer.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn status(State(shared): State<Shared>, Extension(grant): Extension<Grant>) -> Response {
    Json(answer::status(&shared.sources, &grant.scope())).into_response()
}

/// An error as the page reads it.
fn error(status: StatusCode, text: impl ToString) -> Response {
    (status, Json(json!({ "error": text.to_string() }))).into_response()
}
