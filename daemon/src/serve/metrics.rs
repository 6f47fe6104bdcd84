//! `/metrics` and `/healthz`, on a listener of their own.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::status::StatusHandle;
use super::stop::Stop;
use crate::metrics::Metrics;

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    status: StatusHandle,
}

/// The routes.
pub fn routes(metrics: Metrics, status: StatusHandle) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(healthz))
        .with_state(Shared { metrics, status })
}

/// Serves until told to stop.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    status: StatusHandle,
    stop: Stop,
) -> std::io::Result<()> {
    let serving =
        axum::serve(listener, routes(metrics, status)).with_graceful_shutdown(stop.clone().wait());
    stop.drain(serving.into_future()).await
}

async fn scrape(State(shared): State<Shared>) -> Response {
    match shared.metrics.text() {
        Ok(text) => {
            let kind = (
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            );
            ([kind], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn healthz(State(shared): State<Shared>) -> Response {
    let complaints = shared.status.load().complaints();
    if complaints.is_empty() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let text = complaints.join("\n") + "\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}
