//! Flows a reader was too slow for, told at most once a second.

use flowd_proto::flow::{LostEvent, LostEventSource};

use super::flow::timestamp;
use crate::flow::Gap;

/// Nanoseconds between two tellings.
const INTERVAL: i64 = 1_000_000_000;

/// What a reader lost and has not been told yet.
#[derive(Debug, Default)]
pub struct Lost {
    flows: u64,
    first: i64,
    last: i64,
    told: Option<i64>,
}

impl Lost {
    /// Adds a gap found at `now`.
    pub fn add(&mut self, gap: Gap, now: i64) {
        if self.flows == 0 {
            self.first = now;
        }
        self.flows += gap.flows();
        self.last = now;
    }

    /// When the next telling is due; `None` when there is nothing to tell.
    pub fn due(&self) -> Option<i64> {
        if self.flows == 0 {
            return None;
        }
        Some(self.told.map_or(i64::MIN, |told| told + INTERVAL))
    }

    /// What to tell at `now`, if it is time to.
    pub fn take(&mut self, now: i64) -> Option<LostEvent> {
        self.due()
            .is_some_and(|due| due <= now)
            .then(|| self.flush(now))
            .flatten()
    }

    /// What there is to tell, due or not.
    pub fn flush(&mut self, now: i64) -> Option<LostEvent> {
        if self.flows == 0 {
            return None;
        }
        self.told = Some(now);
        Some(LostEvent {
            source: LostEventSource::HubbleRingBuffer as i32,
            num_events_lost: std::mem::take(&mut self.flows),
            cpu: None,
            first: Some(timestamp(self.first)),
            last: Some(timestamp(self.last)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_within_a_second_are_one() {
        let mut lost = Lost::default();
        assert_eq!(lost.take(0), None);
        lost.add(Gap { from: 0, to: 5 }, 10);
        assert_eq!(lost.take(10).unwrap().num_events_lost, 5);
        lost.add(Gap { from: 9, to: 10 }, 20);
        lost.add(Gap { from: 11, to: 13 }, 30);
        assert_eq!(lost.take(40), None);
        assert_eq!(lost.due(), Some(10 + INTERVAL));
        let told = lost.take(10 + INTERVAL).unwrap();
        assert_eq!(told.num_events_lost, 3);
        assert_eq!(told.first, Some(timestamp(20)));
        assert_eq!(told.last, Some(timestamp(30)));
        assert_eq!(lost.flush(99), None);
    }
}
