//! The timeline: what happened, in one order with the flows.
//!
//! Each event carries its own number and the number of flows that were in the log before it, taken
//! while no flow can be appended: events and flows are one order, and a reader of flows alone never
//! meets an event. The newest events are kept whatever becomes of the flows around them.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::happening::Happening;
use super::log::{Gap, Segments};

/// Events kept: a restart of a node with thousands of workloads and policies fits.
pub const CAPACITY: usize = 16_384;

/// Events handed to a reader at once.
const CHUNK: usize = 256;

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position among the events; the first is 0.
    pub number: u64,
    /// Flows in the log before it: it stands before the flow of this sequence number.
    pub flows_before: u64,
    /// Unix nanoseconds.
    pub time: i64,
    /// What happened.
    pub what: Happening,
}

/// The events of a log; cheap to clone.
#[derive(Clone, Debug)]
pub struct Timeline {
    events: Arc<RwLock<VecDeque<Arc<Event>>>>,
    head: watch::Sender<u64>,
    flows: Arc<RwLock<Segments>>,
}

/// What a reader of the timeline reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Events, in order.
    Events(Vec<Arc<Event>>),
    /// These events are gone; reading goes on after them.
    Gap(Gap),
    /// Nothing new.
    UpToDate,
}

impl Timeline {
    pub(super) fn new(flows: Arc<RwLock<Segments>>) -> Self {
        Self {
            events: Arc::default(),
            head: watch::channel(0).0,
            flows,
        }
    }

    /// Tells that something happened at `time`, Unix nanoseconds.
    pub fn tell(&self, time: i64, what: Happening) {
        // Held until the event is in: no flow comes in between.
        let flows = self.flows.read();
        let mut events = self.events.write();
        let number = *self.head.borrow();
        if events.len() >= CAPACITY {
            events.pop_front();
        }
        events.push_back(Arc::new(Event {
            number,
            flows_before: flows.end(),
            time,
            what,
        }));
        drop((events, flows));
        self.head.send_replace(number + 1);
    }

    /// Events told since the start; also the number of the next one.
    pub fn seen(&self) -> u64 {
        *self.head.borrow()
    }

    /// Number of the oldest event that is still there.
    pub fn oldest(&self) -> u64 {
        let head = self.seen();
        self.events
            .read()
            .front()
            .map_or(head, |event| event.number)
    }

    /// The events from number `next` on.
    pub fn read(&self, next: u64) -> Told {
        let events = self.events.read();
        let Some(oldest) = events.front().map(|event| event.number) else {
            return Told::UpToDate;
        };
        if next < oldest {
            return Told::Gap(Gap {
                from: next,
                to: oldest,
            });
        }
        let skip = usize::try_from(next - oldest).unwrap_or(usize::MAX);
        let chunk: Vec<Arc<Event>> = events.iter().skip(skip).take(CHUNK).cloned().collect();
        if chunk.is_empty() {
            Told::UpToDate
        } else {
            Told::Events(chunk)
        }
    }

    /// Wakes whoever waits when something happens.
    pub fn changes(&self) -> WatchStream<u64> {
        WatchStream::from_changes(self.head.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::log;
    use crate::flow::testing::{World, open};

    fn started(number: u64) -> Happening {
        Happening::Started {
            version: number.to_string(),
        }
    }

    fn all(timeline: &Timeline) -> Vec<(u64, u64)> {
        let (mut next, mut seen) = (timeline.oldest(), Vec::new());
        while let Told::Events(events) = timeline.read(next) {
            seen.extend(
                events
                    .iter()
                    .map(|event| (event.number, event.flows_before)),
            );
            next = seen.last().map_or(next, |(number, _)| number + 1);
        }
        seen
    }

    #[test]
    fn events_and_flows_are_one_order() {
        let (mut writer, log) = log::new(4);
        let timeline = log.timeline();
        timeline.tell(1, started(0));
        for round in 0..3 {
            writer.append(&mut vec![World::records(&[open()]).remove(0); 3]);
            timeline.tell(2, started(round));
        }
        // The first flows are gone by now; the order of what is left stays.
        assert_eq!(log.oldest(), 6);
        assert_eq!(all(timeline), [(0, 0), (1, 3), (2, 6), (3, 9)]);
        assert_eq!(log.seen(), 9, "events take no flow's number");
    }

    #[test]
    fn the_oldest_events_go_and_a_reader_is_told() {
        let (_writer, log) = log::new(4);
        let timeline = log.timeline();
        let more = 10;
        for number in 0..CAPACITY as u64 + more {
            timeline.tell(0, started(number));
        }
        assert_eq!(timeline.oldest(), more);
        assert_eq!(timeline.read(2), Told::Gap(Gap { from: 2, to: more }));
        assert_eq!(all(timeline).len(), CAPACITY);
        assert_eq!(timeline.read(timeline.seen()), Told::UpToDate);
    }
}
