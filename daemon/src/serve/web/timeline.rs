//! The timeline beside the flows of a page: each event at its place among them.

use std::sync::Arc;

use flowd_proto::flowd::v1::TimelineEvent;
use serde::Serialize;

use crate::access::Scope;
use crate::flow::timeline::Event;
use crate::observe::agent::timeline_event;
use crate::observe::events::{EventQuery, EventStep, EventsRequest};
use crate::serve::Sources;

/// Past events a page begins with.
const PAST: u64 = 100;
/// Events of a batch, at most: the rest waits for the next one.
const BATCH: usize = 200;

/// An event and its place in a batch.
#[derive(Serialize)]
pub(super) struct Placed {
    /// Flows of the batch that come before it.
    at: usize,
    event: TimelineEvent,
}

/// The events of a page that asked for them.
pub(super) struct Timeline {
    query: EventQuery,
    scope: Scope,
    /// Read, and behind the flows that were looked at so far.
    held: Option<Arc<Event>>,
    next: u64,
    lost: u64,
}

impl Timeline {
    /// From the newest past events on, or from where a page that comes back was.
    pub(super) fn start(
        sources: &Sources,
        scope: Scope,
        next: Option<u64>,
    ) -> Result<Self, String> {
        let timeline = sources.log.timeline();
        let request = EventsRequest {
            number: PAST,
            follow: true,
            ..EventsRequest::default()
        };
        let query = EventQuery::start(timeline, &request).map_err(|error| error.to_string())?;
        // A number that is not reached yet is one of an earlier run.
        let next = next.filter(|next| *next <= timeline.seen());
        Ok(Self {
            query: match next {
                Some(next) => query.resume_at(next),
                None => query,
            },
            scope,
            held: None,
            next: next.unwrap_or(0),
            lost: 0,
        })
    }

    /// The number of the first event that was not told yet.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Events that were gone since this was last asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// The events among flows of these numbers, of a stream that has looked at all flows before
    /// `position`.
    pub(super) fn among(&mut self, flows: &[u64], position: u64) -> Vec<Placed> {
        let mut placed = Vec::new();
        while placed.len() < BATCH {
            let Some(event) = self.held.take().or_else(|| self.read()) else {
                break;
            };
            if event.flows_before > position {
                self.held = Some(event);
                break;
            }
            self.next = event.number + 1;
            placed.push(Placed {
                at: flows.partition_point(|seq| *seq < event.flows_before),
                event: timeline_event(&event),
            });
        }
        placed
    }

    /// The next event the page may see.
    fn read(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.query.step() {
                EventStep::Event(event) if self.scope.sees_event(&event.what) => {
                    return Some(event);
                }
                EventStep::Event(_) => {}
                EventStep::Lost(gap) => self.lost += gap.flows(),
                EventStep::Wait | EventStep::End => return None,
            }
        }
    }
}
