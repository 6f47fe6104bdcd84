//! One request for events of the timeline: where it starts, what it tells, when it ends.

use std::collections::VecDeque;
use std::sync::Arc;

use flowd_proto::Timestamp;

use super::query::{QueryError, nanos};
use crate::flow::Gap;
use crate::flow::timeline::{Event, Timeline, Told};

/// Which events are asked for; the same choice as of flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventsRequest {
    /// How many; 0 for no limit, or for no past ones when following.
    pub number: u64,
    /// From the oldest on.
    pub first: bool,
    /// Go on with those to come.
    pub follow: bool,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

/// What a query of events does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventStep {
    /// Tell this event.
    Event(Arc<Event>),
    /// Tell that these are gone.
    Lost(Gap),
    /// Nothing new.
    Wait,
    /// It is over.
    End,
}

/// A query on its way through the timeline.
#[derive(Debug)]
pub struct EventQuery {
    timeline: Timeline,
    next: u64,
    ready: VecDeque<Arc<Event>>,
    follow: bool,
    end: Option<u64>,
    left: Option<u64>,
    since: Option<i64>,
    until: Option<i64>,
}

impl EventQuery {
    /// Checks a request and finds its start.
    ///
    /// # Errors
    ///
    /// When the request asks for something that cannot be.
    pub fn start(timeline: &Timeline, request: &EventsRequest) -> Result<Self, QueryError> {
        if request.first && request.follow {
            return Err(QueryError::FirstWithFollow);
        }
        let since = nanos("since", request.since)?;
        let until = nanos("until", request.until)?;
        let (head, oldest) = (timeline.seen(), timeline.oldest());
        let next = match (since, request.first, request.follow, request.number) {
            (Some(_), ..) | (None, true, ..) | (None, false, false, 0) => oldest,
            (None, false, true, 0) => head,
            (None, false, _, number) => head.saturating_sub(number).max(oldest),
        };
        Ok(Self {
            timeline: timeline.clone(),
            next,
            ready: VecDeque::new(),
            follow: request.follow,
            end: (!request.follow).then_some(head),
            left: (!request.follow && request.number > 0).then_some(request.number),
            since,
            until,
        })
    }

    /// Goes on at the event of this number, whatever was asked for.
    #[must_use]
    pub const fn resume_at(mut self, number: u64) -> Self {
        self.next = number;
        self
    }

    /// The next step that needs no waiting.
    pub fn step(&mut self) -> EventStep {
        loop {
            if self.left == Some(0) {
                return EventStep::End;
            }
            let Some(event) = self.ready.pop_front() else {
                match self.timeline.read(self.next) {
                    Told::Events(events) => {
                        self.next += events.len() as u64;
                        self.ready = events.into();
                        continue;
                    }
                    Told::Gap(gap) => {
                        self.next = gap.to;
                        return EventStep::Lost(gap);
                    }
                    Told::UpToDate if self.follow => return EventStep::Wait,
                    Told::UpToDate => return EventStep::End,
                }
            };
            let late = self.until.is_some_and(|until| event.time > until);
            if self.end.is_some_and(|end| event.number >= end) || (late && self.follow) {
                self.left = Some(0);
            } else if !late && self.since.is_none_or(|since| event.time >= since) {
                if let Some(left) = &mut self.left {
                    *left -= 1;
                }
                return EventStep::Event(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Happening, log};

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp {
            seconds: second,
            nanos: 0,
        })
    }

    fn ten() -> Timeline {
        let (_writer, log) = log::new(4);
        for second in 0..10 {
            let version = second.to_string();
            let timeline = log.timeline();
            timeline.tell(second * 1_000_000_000, Happening::Started { version });
        }
        log.timeline().clone()
    }

    fn told(request: EventsRequest) -> (Vec<u64>, EventStep) {
        let mut query = EventQuery::start(&ten(), &request).expect("a good request");
        let mut numbers = Vec::new();
        loop {
            match query.step() {
                EventStep::Event(event) => numbers.push(event.number),
                end @ (EventStep::Lost(_) | EventStep::Wait | EventStep::End) => {
                    return (numbers, end);
                }
            }
        }
    }

    #[test]
    fn events_are_chosen_as_flows_are() {
        let ask = EventsRequest::default;
        let number = |number| EventsRequest { number, ..ask() };
        let first = |count| EventsRequest {
            first: true,
            ..number(count)
        };
        let since = EventsRequest {
            since: at(7),
            ..ask()
        };
        let both = EventsRequest {
            until: at(8),
            ..since
        };
        let capped = EventsRequest { number: 2, ..since };
        for (request, expected) in [
            (ask(), (0..10).collect::<Vec<u64>>()),
            (number(3), vec![7, 8, 9]),
            (number(u64::MAX), (0..10).collect()),
            (first(2), vec![0, 1]),
            (since, vec![7, 8, 9]),
            (both, vec![7, 8]),
            (capped, vec![7, 8]),
        ] {
            assert_eq!(told(request), (expected, EventStep::End), "{request:?}");
        }
    }

    #[test]
    fn a_follower_waits_and_ends_after_until() {
        let follow = EventsRequest {
            follow: true,
            ..EventsRequest::default()
        };
        assert_eq!(told(follow), (vec![], EventStep::Wait));
        let two = EventsRequest {
            number: 2,
            ..follow
        };
        assert_eq!(told(two), (vec![8, 9], EventStep::Wait));
        let until = EventsRequest {
            since: at(3),
            until: at(5),
            ..follow
        };
        assert_eq!(told(until), (vec![3, 4, 5], EventStep::End));
        let both = EventsRequest {
            first: true,
            ..follow
        };
        assert_eq!(
            EventQuery::start(&ten(), &both).err(),
            Some(QueryError::FirstWithFollow)
        );
    }
}
