//! From a ring to the log: decode, name, count, append. One thread owns it.
//!
//! Events are gathered into a buffer that is swapped with one the log gave back, names come from
//! caches, counters are numbers: nothing is allocated per event.

use std::sync::Arc;

use flowd_abi::{DropReason, Verdict};
use tracing::warn;

use super::decode::decode;
use super::log::Writer;
use super::record::{Judged, Record};
use crate::enrich::{Directory, Names, Owners};
use crate::metrics::FlowMetrics;

/// Flows per segment, at most: the batch stays in the second-level cache between naming and
/// counting.
const BATCH: usize = 1_024;

/// How many undecodable records are logged one by one before only the counter tells.
const WARNINGS: u64 = 5;

/// The distance from the kernel's monotonic clock to Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds to add to a monotonic time.
    pub offset: i64,
}

impl Clock {
    /// Unix time in nanoseconds of a monotonic time.
    #[inline]
    pub fn unix(self, monotonic: u64) -> i64 {
        i64::try_from(monotonic)
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset)
    }
}

/// The ring an event came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// `EVENTS`.
    Events,
    /// `DROPS`.
    Drops,
    /// `KERNEL_RING`.
    Kernel,
    /// Not a ring: the sweep made it up from the tables.
    Sweep,
}

impl Ring {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Events, Self::Drops, Self::Kernel, Self::Sweep];

    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Drops => "drops",
            Self::Kernel => "kernel",
            Self::Sweep => "sweep",
        }
    }
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Flows stored.
    pub flows: u64,
    /// Ring records that were no events.
    pub undecodable: u64,
}

/// The only writer of the log.
#[derive(Debug)]
pub struct Pipeline {
    writer: Writer,
    names: Names,
    owners: Owners,
    metrics: Arc<FlowMetrics>,
    batch: Vec<Record>,
    received: [u64; Ring::ALL.len()],
    undecodable: u64,
    warned: u64,
}

impl Pipeline {
    /// A pipeline into a log.
    pub fn new(writer: Writer, metrics: Arc<FlowMetrics>) -> Self {
        Self {
            writer,
            names: Names::new(metrics.hits().clone()),
            owners: Owners::nobody(),
            metrics,
            batch: Vec::with_capacity(BATCH),
            received: [0; Ring::ALL.len()],
            undecodable: 0,
            warned: 0,
        }
    }

    /// The same, with the owners of sockets.
    #[must_use]
    pub fn with_owners(mut self, owners: Owners) -> Self {
        self.owners = owners;
        self
    }

    /// Takes in a batch of raw records.
    pub fn ingest<'a>(
        &mut self,
        ring: Ring,
        records: impl IntoIterator<Item = &'a [u8]>,
        clock: Clock,
        directory: &Arc<Directory>,
    ) -> Ingested {
        let mut sum = Ingested::default();
        self.follow(directory);
        for bytes in records {
            self.push(ring, bytes, clock, &mut sum);
        }
        self.flush();
        sum
    }

    /// Moves to the directory of this moment; call it once before a batch of pushes.
    pub fn follow(&mut self, directory: &Arc<Directory>) {
        self.names.follow(directory);
        self.owners.turn();
    }

    /// Takes in one raw record. It is visible to readers after [`Pipeline::flush`], or when the
    /// batch is full.
    #[inline]
    pub fn push(&mut self, ring: Ring, bytes: &[u8], clock: Clock, sum: &mut Ingested) {
        self.received[ring as usize] += 1;
        match decode(bytes) {
            Ok(judged) => {
                let record = self.name(judged, clock);
                self.batch.push(record);
                sum.flows += 1;
                if self.batch.len() >= BATCH {
                    self.flush();
                }
            }
            Err(error) => {
                self.undecodable += 1;
                sum.undecodable += 1;
                if self.warned < WARNINGS {
                    self.warned += 1;
                    warn!(%error, ring = ring.name(), "a ring record is no event; it is counted");
                }
            }
        }
    }

    /// Counts and appends what was pushed.
    pub fn flush(&mut self) {
        self.metrics
            .count(&self.batch, &mut self.received, &mut self.undecodable);
        self.writer.append(&mut self.batch);
    }

    #[inline]
    fn name(&mut self, judged: Judged, clock: Clock) -> Record {
        let default_deny = matches!(
            judged.verdict,
            Verdict::Drop(DropReason::DefaultDenied) | Verdict::Audit(DropReason::DefaultDenied)
        );
        let time = clock.unix(judged.event.time);
        let decision = self.names.decision(&judged.event, default_deny);
        decision.tallies.count(&judged, time);
        let (owner, measured) = self.owners.find(&judged);
        let shadow = self.names.shadow(&judged);
        if let Some(shadow) = &shadow {
            shadow.count(judged.verdict, time);
        }
        Record {
            seq: 0,
            time,
            local: self.names.local(&judged.event),
            peer: self.names.peer(&judged.event),
            decision,
            owner,
            measured,
            shadow,
            judged,
        }
    }
}

#[cfg(test)]
mod tests {
    use flowd_policy::RuleTable;

    use super::*;
    use crate::flow::testing::{OFFSET, World, dropped, open, reply};
    use crate::flow::{Read, Start};

    #[test]
    fn a_batch_becomes_segments_in_order() {
        let mut world = World::new(10_000);
        let sum = world.tell(&vec![open(); 2_500]);
        assert_eq!((sum.flows, sum.undecodable), (2_500, 0));
        let mut cursor = world.log().cursor(Start::Oldest);
        let (mut lens, mut next) = (Vec::new(), 0);
        while let Read::Flows(chunk) = cursor.read() {
            lens.push(chunk.len());
            for record in chunk.iter() {
                assert_eq!((record.seq, record.time), (next, OFFSET + 1_000));
                next += 1;
            }
        }
        assert_eq!(lens, [BATCH, BATCH, 2_500 - 2 * BATCH]);
    }

    #[test]
    fn bad_records_do_not_hold_up_good_ones() {
        let mut world = World::new(100);
        let (good, directory) = (open().to_bytes(), world.sources.directory.snapshot());
        let records = [good.as_slice(), &good[..100], &[], &good];
        let sum = world
            .pipeline
            .ingest(Ring::Events, records, Clock::default(), &directory);
        assert_eq!((sum.flows, sum.undecodable), (2, 2));
        assert_eq!(world.log().seen(), 2);
    }

    #[test]
    fn a_flow_keeps_the_names_of_its_time() {
        let mut world = World::new(100);
        world.tell(&[open(), dropped()]);
        let mut later = Directory::clone(&world.sources.directory.snapshot());
        later.rules = Arc::new(RuleTable::new());
        later.default_deny.clear();
        later.endpoints.clear();
        world.sources.directory.store(later);
        world.tell(&[open(), dropped()]);
        let segments = [
            world.log().before(2).unwrap(),
            world.log().before(4).unwrap(),
        ];
        let named = |segment: usize, record: usize| {
            let record = &segments[segment].records()[record];
            (record.local.name.clone(), record.decision.policies().len())
        };
        assert_eq!(named(0, 0), ("frontend-1".to_owned(), 1));
        assert_eq!(named(0, 1), ("frontend-1".to_owned(), 1));
        assert_eq!(named(1, 0), (String::new(), 0));
        assert!(segments[1].records()[0].decision.rules.is_none());
        assert!(
            segments[1].records()[1]
                .decision
                .default_denied_by
                .is_none()
        );
    }

    #[test]
    fn the_same_party_is_one_allocation() {
        let records = World::records(&[open(), reply(), open()]);
        assert!(Arc::ptr_eq(&records[0].local, &records[2].local));
        assert!(Arc::ptr_eq(&records[0].peer, &records[1].peer));
        assert!(Arc::ptr_eq(&records[0].decision, &records[2].decision));
    }
}
