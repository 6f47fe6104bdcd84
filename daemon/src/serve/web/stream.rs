//! `GET /api/v1/flows/stream`: live flows as server-sent events, a batch every tick.
//!
//! A page cannot show more than a few hundred rows a tick: of more, the newest are sent and the
//! rest is counted as lost, so a page is never behind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::flows::{Asked, MAX_LAST};
use super::{Shared, error};
use crate::access::{Grant, Scope};
use crate::observe::query::{FlowRef, Plan, Step};
use crate::observe::wire::Encoder;
use crate::serve::stop::Stopped;
use crate::serve::stream::{FlowStream, plan};
use flowd_proto::observer::{GetFlowsRequest, GetFlowsResponse};

/// How often a batch is sent.
const TICK: Duration = Duration::from_millis(200);
/// Flows of a batch, at most.
const BATCH: usize = 500;
/// Steps of a tick, at most: the rest waits for the next one.
const STEPS: usize = 100_000;
/// Past flows of a page that asks for no number.
const DEFAULT_LAST: u64 = 200;

#[derive(Serialize)]
struct Batch {
    flows: Vec<GetFlowsResponse>,
    lost: u64,
}

/// `GET /api/v1/flows/stream`.
pub(super) async fn stream(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let plan = match planned(&shared, &grant.scope(), &asked, &headers) {
        Ok(plan) => plan,
        Err(text) => return error(StatusCode::BAD_REQUEST, text),
    };
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        return error(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are streaming; close one",
        );
    };
    let encoder = Encoder::new(shared.sources.view(), plan.mask.clone());
    let Some(flows) = FlowStream::start(&shared.sources, plan, Some(permit)).await else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "flowd is stopping");
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(Batches {
        flows,
        encoder,
        ticks,
        stopped: shared.sources.stop.watch(),
    })
    .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
    .into_response()
}

/// The plan of a stream; a page that comes back goes on where it was.
fn planned(
    shared: &Shared,
    scope: &Scope,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Plan, String> {
    let mut request = GetFlowsRequest {
        follow: true,
        ..asked.request()?
    };
    request.number = asked.last().unwrap_or(DEFAULT_LAST).min(MAX_LAST);
    let plan = plan(&shared.sources, scope, &request).map_err(|error| error.to_string())?;
    let resumed = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse::<u64>().ok())
        // A number that is not reached yet is one of an earlier run.
        .filter(|seq| *seq < shared.sources.log.seen());
    Ok(match resumed {
        Some(seq) => plan.resume_at(seq + 1),
        None => plan,
    })
}

struct Batches {
    flows: FlowStream,
    encoder: Encoder,
    ticks: Interval,
    stopped: Stopped,
}

impl Batches {
    /// What has come since the last tick; `None` at the end.
    fn gather(&mut self) -> Option<(VecDeque<FlowRef>, u64)> {
        let (mut flows, mut lost) = (VecDeque::new(), 0);
        for _ in 0..STEPS {
            match self.flows.step() {
                Step::Flow(flow) => {
                    if flows.len() == BATCH {
                        flows.pop_front();
                        lost += 1;
                    }
                    flows.push_back(flow);
                }
                Step::Lost(gap) => lost += gap.num_events_lost,
                Step::Busy => {}
                Step::Wait => break,
                Step::End if flows.is_empty() && lost == 0 => return None,
                Step::End => break,
            }
        }
        Some((flows, lost))
    }
}

impl Stream for Batches {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.stopped.poll(context).is_ready() {
                return Poll::Ready(None);
            }
            if this.ticks.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
            let Some((flows, lost)) = this.gather() else {
                return Poll::Ready(None);
            };
            if flows.is_empty() && lost == 0 {
                continue;
            }
            let mut event = Event::default();
            if let Some(newest) = flows.back() {
                event = event.id(newest.seq.to_string());
            }
            let batch = Batch {
                flows: flows
                    .iter()
                    .map(|flow| this.encoder.message(flow))
                    .collect(),
                lost,
            };
            // A batch that is no JSON is a mistake in this crate; the page loses it, not the stream.
            if let Ok(event) = event.json_data(&batch) {
                return Poll::Ready(Some(Ok(event)));
            }
        }
    }
}
