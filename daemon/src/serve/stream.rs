//! A query as a stream: it scans when it is polled, and waits on the log, not on a queue, so a
//! client that does not read holds up nobody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flowd_proto::flow::LostEvent;
use flowd_proto::flowd::v1::Coverage;
use flowd_proto::observer::GetFlowsRequest;
use futures_core::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::Sources;
use super::stop::Stopped;
use crate::access::Scope;
use crate::clock::now;
use crate::metrics::FlowMetrics;
use crate::observe::filter::Context as FilterContext;
use crate::observe::query::{FlowRef, Plan, Query, QueryError, Step};

/// What a client is sent.
#[derive(Debug)]
pub enum Outgoing {
    /// A flow.
    Flow(FlowRef),
    /// Flows it was too slow for.
    Lost(LostEvent),
}

/// The flows of a query.
#[derive(Debug)]
pub struct FlowStream {
    query: Query,
    metrics: Arc<FlowMetrics>,
    stopped: Stopped,
    timer: Option<Pin<Box<Sleep>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Checks a request of a client that sees this much.
///
/// # Errors
///
/// When the request asks for something that cannot be.
pub fn plan(
    sources: &Sources,
    scope: &Scope,
    request: &GetFlowsRequest,
) -> Result<Plan, QueryError> {
    let context = FilterContext {
        directory: sources.directory.clone(),
        boot: sources.boot,
        scope: scope.clone(),
    };
    Plan::compile(request, &context)
}

impl FlowStream {
    /// Starts a query. Finding the start may look at the whole log, so that is done where blocking
    /// is allowed. The permit is given back when the stream ends.
    pub async fn start(
        sources: &Sources,
        plan: Plan,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Self> {
        let log = sources.log.clone();
        let query = tokio::task::spawn_blocking(move || plan.start(&log))
            .await
            .ok()?;
        Some(Self {
            query,
            metrics: sources.flows.clone(),
            stopped: sources.stop.watch(),
            timer: None,
            _permit: permit,
        })
    }

    /// The next step that needs no waiting.
    pub fn step(&mut self) -> Step {
        let step = self.query.step(now());
        let lost = self.query.take_lost_flows();
        if lost > 0 {
            self.metrics.reader_gap(lost);
        }
        step
    }

    /// How far the answer reaches so far.
    pub fn coverage(&self) -> Coverage {
        self.query.coverage()
    }

    /// Whether a due loss must be told although no flow comes.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.query.lost_due() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| {
            let wait = u64::try_from(due.saturating_sub(now())).unwrap_or(0);
            Box::pin(sleep(Duration::from_nanos(wait)))
        });
        let ready = timer.as_mut().poll(context);
        if ready.is_ready() {
            self.timer = None;
        }
        ready
    }
}

impl Stream for FlowStream {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let this = &mut *self;
        loop {
            match this.step() {
                Step::Flow(flow) => return Poll::Ready(Some(Outgoing::Flow(flow))),
                Step::Lost(lost) => return Poll::Ready(Some(Outgoing::Lost(lost))),
                Step::End => return Poll::Ready(None),
                Step::Busy => {
                    if this.stopped.poll(context).is_ready() {
                        return Poll::Ready(None);
                    }
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Wait => {}
            }
            if this.stopped.poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match this.query.poll_more(context) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Pending => match this.poll_lost(context) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
