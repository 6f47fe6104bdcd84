//! `GET /api/v1/flows/stream`: live flows as server-sent events, a batch every tick.
//!
//! A page cannot show more than a few hundred rows a tick: of more, the newest are sent and the
//! rest is counted as lost, so a page is never behind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
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
use super::timeline::{Placed, Timeline};
use super::{Shared, error};
use crate::access::limits::StreamPermit;
use crate::access::{Grant, Scope};
use crate::observe::query::{FlowRef, Plan, Step};
use crate::observe::wire::Encoder;
use crate::serve::stop::Stopped;
use crate::serve::stream::{FlowStream, plan};
use flowd_proto::flowd::v1::Coverage;
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Placed>,
    #[serde(skip_serializing_if = "is_zero")]
    events_lost: u64,
    /// How far back the stream begins; in its first batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Coverage>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.flows.is_empty()
            && self.lost == 0
            && self.events.is_empty()
            && self.events_lost == 0
            && self.start.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where a page was in both orders: the newest flow it has, and the next event it has not. Written
/// as `SEQ.NEXT`, without what it has none of.
#[derive(Clone, Copy, Default)]
struct Place {
    flow: Option<u64>,
    event: Option<u64>,
}

impl Place {
    fn of(headers: &HeaderMap) -> Self {
        let id = headers.get("last-event-id");
        let Some(text) = id.and_then(|id| id.to_str().ok()) else {
            return Self::default();
        };
        let (flow, event) = text.split_once('.').unwrap_or((text, ""));
        Self {
            flow: flow.parse().ok(),
            event: event.parse().ok(),
        }
    }

    fn text(self) -> String {
        let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
        match self.event {
            Some(_) => format!("{}.{}", number(self.flow), number(self.event)),
            None => number(self.flow),
        }
    }
}

/// `GET /api/v1/flows/stream`.
pub(super) async fn stream(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    Extension(held): Extension<Arc<Option<StreamPermit>>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let was = Place::of(&headers);
    let scope = grant.scope();
    let plan = planned(&shared, &scope, &asked, was.flow);
    let timeline = asked
        .events()
        .then(|| Timeline::start(&shared.sources, scope, was.event))
        .transpose();
    let (plan, timeline) = match (plan, timeline) {
        (Ok(plan), Ok(timeline)) => (plan, timeline),
        (Err(text), _) | (_, Err(text)) => return error(StatusCode::BAD_REQUEST, text),
    };
    let encoder = Encoder::new(shared.sources.view(), plan.mask.clone());
    let Some(flows) = FlowStream::start(&shared.sources, plan, None).await else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "flowd is stopping");
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(Batches {
        start: Some(flows.coverage()),
        flows,
        timeline,
        was,
        _held: held,
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
    newest: Option<u64>,
) -> Result<Plan, String> {
    let mut request = GetFlowsRequest {
        follow: true,
        ..asked.request()?
    };
    request.number = asked.last().unwrap_or(DEFAULT_LAST).min(MAX_LAST);
    let plan = plan(&shared.sources, scope, &request).map_err(|error| error.to_string())?;
    // A number that is not reached yet is one of an earlier run.
    Ok(
        match newest.filter(|seq| *seq < shared.sources.log.seen()) {
            Some(seq) => plan.resume_at(seq + 1),
            None => plan,
        },
    )
}

struct Batches {
    flows: FlowStream,
    timeline: Option<Timeline>,
    /// How far the page is.
    was: Place,
    /// Until it has been told.
    start: Option<Coverage>,
    encoder: Encoder,
    _held: Arc<Option<StreamPermit>>,
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

    /// These flows, and the events among them and after.
    fn batch(&mut self, flows: &VecDeque<FlowRef>, lost: u64) -> Batch {
        if let Some(newest) = flows.back() {
            self.was.flow = Some(newest.seq);
        }
        let (mut events, mut events_lost) = (Vec::new(), 0);
        if let Some(timeline) = &mut self.timeline {
            let numbers: Vec<u64> = flows.iter().map(|flow| flow.seq).collect();
            events = timeline.among(&numbers, self.flows.coverage().to_seq);
            events_lost = timeline.take_lost();
            self.was.event = Some(timeline.next());
        }
        Batch {
            flows: flows
                .iter()
                .map(|flow| self.encoder.message(flow))
                .collect(),
            lost,
            events,
            events_lost,
            start: self.start.take(),
        }
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
            let batch = this.batch(&flows, lost);
            if batch.is_empty() {
                continue;
            }
            let event = Event::default().id(this.was.text());
            // A batch that is no JSON is a mistake in this crate; the page loses it, not the stream.
            if let Ok(event) = event.json_data(&batch) {
                return Poll::Ready(Some(Ok(event)));
            }
        }
    }
}
