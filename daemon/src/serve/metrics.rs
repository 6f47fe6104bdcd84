//! `/metrics`, `/livez`, `/readyz` and `/healthz`, on a listener of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::status::StatusHandle;
use super::stop::Stop;
use crate::clock::monotonic;
use crate::guard::Pulse;
use crate::metrics::Metrics;

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    status: StatusHandle,
    pulses: Vec<Pulse>,
    /// Scrapes are built one at a time, however many ask.
    turn: Arc<Semaphore>,
}

/// The routes; `pulses` are those of the threads without which the daemon is none.
pub fn routes(metrics: Metrics, status: StatusHandle, pulses: Vec<Pulse>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .with_state(Shared {
            metrics,
            status,
            pulses,
            turn: Arc::new(Semaphore::new(1)),
        })
}

/// Serves until told to stop.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(listener: TcpListener, routes: Router, stop: Stop) -> std::io::Result<()> {
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().wait());
    stop.drain(serving.into_future()).await
}

async fn scrape(State(shared): State<Shared>) -> Response {
    let turn = shared.turn.acquire_owned().await;
    let metrics = shared.metrics;
    // At the budget it takes tens of milliseconds, in which others want to be served.
    let built = tokio::task::spawn_blocking(move || {
        let text = metrics.text();
        drop(turn);
        text
    });
    let failed = match built.await {
        Ok(Ok(text)) => {
            let kind = (
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            );
            return ([kind], text).into_response();
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{failed}\n")).into_response()
}

/// Whether the process works at all: if not, restarting it helps.
async fn livez(State(shared): State<Shared>) -> Response {
    let now = monotonic();
    let hanging = shared
        .pulses
        .iter()
        .filter_map(|pulse| pulse.complaint(now));
    say(hanging.collect())
}

/// Whether verdicts fall as a plan wants them, whatever is wrong with newer files.
async fn readyz(State(shared): State<Shared>) -> Response {
    let enforced = shared.status.load().enforced_generation > 0;
    let not_yet = || "no plan is enforced yet: /healthz says why".to_owned();
    say((!enforced).then(not_yet).into_iter().collect())
}

/// Whether everything is as its owner wants it.
async fn healthz(State(shared): State<Shared>) -> Response {
    say(shared.status.load().complaints())
}

fn say(complaints: Vec<String>) -> Response {
    if complaints.is_empty() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let text = complaints.join("\n") + "\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}
