//! The timeline as streams: Hubble's agent events and `flowd.v1.Timeline`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use flowd_proto::flowd::v1::get_events_response::Response as Answer;
use flowd_proto::flowd::v1::timeline_server::Timeline as TimelineApi;
use flowd_proto::flowd::v1::{EventsLost, GetEventsRequest, GetEventsResponse};
use flowd_proto::observer::{GetAgentEventsRequest, GetAgentEventsResponse};
use futures_core::Stream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use crate::access::Scope;
use crate::clock::now;
use crate::flow::Gap;
use crate::flow::timeline::Event;
use crate::observe::agent::{agent_event, events_lost, timeline_event};
use crate::observe::events::{EventQuery, EventStep, EventsRequest};
use crate::observe::flow::timestamp;
use crate::serve::stop::Stopped;
use crate::serve::{Sources, gate};

/// What a client is sent.
pub(super) enum Outgoing {
    Event(Arc<Event>),
    Lost(Gap),
}

/// The events of a query, as they come.
pub(super) struct EventStream {
    query: EventQuery,
    changes: WatchStream<u64>,
    stopped: Stopped,
    scope: Scope,
}

impl EventStream {
    pub(super) fn start(
        sources: &Sources,
        scope: Scope,
        request: &EventsRequest,
    ) -> Result<Self, Status> {
        let timeline = sources.log.timeline();
        // Before the query looks: what is told in between wakes it.
        let changes = timeline.changes();
        let query = EventQuery::start(timeline, request)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Self {
            query,
            changes,
            stopped: sources.stop.watch(),
            scope,
        })
    }
}

impl Stream for EventStream {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        loop {
            match self.query.step() {
                EventStep::Event(event) if !self.scope.sees_event(&event.what) => continue,
                EventStep::Event(event) => return Poll::Ready(Some(Outgoing::Event(event))),
                EventStep::Lost(gap) => return Poll::Ready(Some(Outgoing::Lost(gap))),
                EventStep::End => return Poll::Ready(None),
                EventStep::Wait => {}
            }
            if self.stopped.poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.changes).poll_next(context) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Hubble's request in our words.
pub(super) fn of_hubble(request: &GetAgentEventsRequest) -> EventsRequest {
    EventsRequest {
        number: request.number,
        first: request.first,
        follow: request.follow,
        since: request.since,
        until: request.until,
    }
}

/// An event as Hubble's clients read it.
pub(super) fn agent_response(outgoing: &Outgoing, node_name: &str) -> GetAgentEventsResponse {
    let (event, time) = match outgoing {
        Outgoing::Event(event) => (agent_event(event), event.time),
        Outgoing::Lost(gap) => (events_lost(gap.flows()), now()),
    };
    GetAgentEventsResponse {
        agent_event: Some(event),
        node_name: node_name.to_owned(),
        time: Some(timestamp(time)),
    }
}

/// Serves the timeline in full.
pub(super) struct TimelineService {
    sources: Sources,
}

impl TimelineService {
    pub(super) const fn new(sources: Sources) -> Self {
        Self { sources }
    }
}

#[tonic::async_trait]
impl TimelineApi for TimelineService {
    type GetEventsStream = Pin<Box<dyn Stream<Item = Result<GetEventsResponse, Status>> + Send>>;

    async fn get_events(
        &self,
        request: Request<GetEventsRequest>,
    ) -> Result<Response<Self::GetEventsStream>, Status> {
        let scope = gate::scope(&request)?;
        let request = request.into_inner();
        let asked = EventsRequest {
            number: request.number,
            first: request.first,
            follow: request.follow,
            since: request.since,
            until: request.until,
        };
        let stream = EventStream::start(&self.sources, scope, &asked)?;
        let node_name = self.sources.directory.load().node_name.clone();
        Ok(Response::new(Box::pin(stream.map(move |told| {
            let response = match told {
                Outgoing::Event(event) => Answer::Event(timeline_event(&event)),
                Outgoing::Lost(gap) => Answer::Lost(EventsLost {
                    first: gap.from,
                    count: gap.flows(),
                }),
            };
            Ok(GetEventsResponse {
                response: Some(response),
                node_name: node_name.clone(),
            })
        }))))
    }
}
