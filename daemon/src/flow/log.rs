//! The flow log: append-only segments in memory, read through cursors.
//!
//! A segment never changes once it is in the log, and a reader holds at most the one it is in: the
//! writer neither waits for readers nor overwrites anything under them. A reader that fell behind
//! is told exactly which flows it missed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::record::Record;
use super::timeline::Timeline;

/// Flows kept when nobody says otherwise: about 26 MB, minutes of a busy node.
pub const DEFAULT_CAPACITY: usize = 131_072;

/// Evicted segments kept for the writer, so that a full log allocates nothing.
const SPARE_SEGMENTS: usize = 8;

/// Flows that were appended together.
#[derive(Debug, Default)]
pub struct Segment {
    first: u64,
    oldest: i64,
    newest: i64,
    records: Vec<Record>,
}

impl Segment {
    /// Sequence number of its first flow.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Sequence number after its last flow.
    pub fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// Smallest time in it.
    pub fn oldest(&self) -> i64 {
        self.oldest
    }

    /// Greatest time in it.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// Its flows.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// Flows a reader can no longer get: `from` up to, not including, `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First missed sequence number.
    pub from: u64,
    /// First one that is there again.
    pub to: u64,
}

impl Gap {
    /// How many flows were missed.
    pub fn flows(&self) -> u64 {
        self.to - self.from
    }
}

/// The segments of a log, oldest first.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: VecDeque<Arc<Segment>>,
    stored: usize,
}

impl Segments {
    fn oldest(&self, head: u64) -> u64 {
        self.list.front().map_or(head, |segment| segment.first)
    }

    /// Flows appended so far.
    pub(super) fn end(&self) -> u64 {
        self.list.back().map_or(0, |segment| segment.end())
    }

    /// The segment that holds `seq`.
    fn holding(&self, seq: u64) -> Option<&Arc<Segment>> {
        let index = self.list.partition_point(|segment| segment.end() <= seq);
        self.list.get(index)
    }
}

/// The reading side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    segments: Arc<RwLock<Segments>>,
    head: watch::Receiver<u64>,
    capacity: usize,
    timeline: Timeline,
}

/// The writing side: one per log.
#[derive(Debug)]
pub struct Writer {
    segments: Arc<RwLock<Segments>>,
    head: watch::Sender<u64>,
    capacity: usize,
    evicted: Vec<Arc<Segment>>,
    spare: Vec<Arc<Segment>>,
}

/// A log that keeps at least the last `capacity` flows less one batch, and never more than
/// `capacity` unless a single batch is larger.
pub fn new(capacity: usize) -> (Writer, Log) {
    let segments = Arc::new(RwLock::new(Segments::default()));
    let (sender, receiver) = watch::channel(0);
    let writer = Writer {
        segments: segments.clone(),
        head: sender,
        capacity,
        evicted: Vec::new(),
        spare: Vec::new(),
    };
    let log = Log {
        timeline: Timeline::new(segments.clone()),
        segments,
        head: receiver,
        capacity,
    };
    (writer, log)
}

impl Writer {
    /// Appends a batch, which gets its sequence numbers here, and leaves an empty buffer in its
    /// place.
    pub fn append(&mut self, batch: &mut Vec<Record>) {
        if batch.is_empty() {
            return;
        }
        let first = *self.head.borrow();
        let (mut oldest, mut newest) = (i64::MAX, i64::MIN);
        for (seq, record) in (first..).zip(batch.iter_mut()) {
            record.seq = seq;
            oldest = oldest.min(record.time);
            newest = newest.max(record.time);
        }
        let filled = Segment {
            first,
            oldest,
            newest,
            records: std::mem::take(batch),
        };
        let mut spare = self.spare.pop().unwrap_or_default();
        let segment = match Arc::get_mut(&mut spare) {
            Some(slot) => {
                *batch = std::mem::replace(slot, filled).records;
                spare
            }
            None => Arc::new(filled),
        };
        let head = segment.end();
        self.push(segment);
        self.head.send_replace(head);
        self.reclaim();
    }

    fn push(&mut self, segment: Arc<Segment>) {
        let mut segments = self.segments.write();
        segments.stored += segment.records.len();
        segments.list.push_back(segment);
        while segments.stored > self.capacity && segments.list.len() > 1 {
            let Some(oldest) = segments.list.pop_front() else {
                break;
            };
            segments.stored -= oldest.records.len();
            self.evicted.push(oldest);
        }
    }

    /// Frees what was evicted, outside the lock; segments nobody reads are filled again.
    fn reclaim(&mut self) {
        for mut segment in self.evicted.drain(..) {
            if self.spare.len() < SPARE_SEGMENTS
                && let Some(unread) = Arc::get_mut(&mut segment)
            {
                unread.records.clear();
                self.spare.push(segment);
            }
        }
    }
}

impl Log {
    /// Flows appended since the start; also the sequence number of the next one.
    pub fn seen(&self) -> u64 {
        *self.head.borrow()
    }

    /// What happened between the flows.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Flows stored now.
    pub fn stored(&self) -> usize {
        self.segments.read().stored
    }

    /// The bound on stored flows.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sequence number of the oldest flow that is still there.
    pub fn oldest(&self) -> u64 {
        let head = self.seen();
        self.segments.read().oldest(head)
    }

    /// Time of the oldest flow that is still there.
    pub fn oldest_time(&self) -> Option<i64> {
        self.segments.read().list.front().map(|first| first.oldest)
    }

    /// The segment that ends at or holds the flow before `seq`: the way backwards.
    pub fn before(&self, seq: u64) -> Option<Arc<Segment>> {
        let previous = seq.checked_sub(1)?;
        let segments = self.segments.read();
        let segment = segments.holding(previous)?;
        (segment.first <= previous).then(|| segment.clone())
    }

    /// A cursor.
    pub fn cursor(&self, start: Start) -> Cursor {
        let next = match start {
            Start::Oldest => self.oldest(),
            Start::Head => self.seen(),
            Start::Seq(seq) => seq.min(self.seen()),
        };
        Cursor {
            log: self.clone(),
            next,
            changes: WatchStream::from_changes(self.head.clone()),
        }
    }
}

/// Where a cursor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest flow there is.
    Oldest,
    /// After the newest.
    Head,
    /// At this sequence number.
    Seq(u64),
}

/// A reader's place in the log.
#[derive(Debug)]
pub struct Cursor {
    log: Log,
    next: u64,
    changes: WatchStream<u64>,
}

/// What a cursor reads.
#[derive(Debug)]
pub enum Read {
    /// Flows, in order.
    Flows(Chunk),
    /// These flows are gone; reading goes on after them.
    Gap(Gap),
    /// Nothing new.
    UpToDate,
}

/// The unread end of a segment; keeps it alive.
#[derive(Clone, Debug)]
pub struct Chunk {
    segment: Arc<Segment>,
    skip: usize,
}

impl Deref for Chunk {
    type Target = [Record];

    fn deref(&self) -> &[Record] {
        &self.segment.records[self.skip..]
    }
}

impl Cursor {
    /// Sequence number of the flow it reads next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Reads on, without waiting.
    pub fn read(&mut self) -> Read {
        let segments = self.log.segments.read();
        let Some(segment) = segments.holding(self.next) else {
            return Read::UpToDate;
        };
        if segment.first > self.next {
            let gap = Gap {
                from: self.next,
                to: segment.first,
            };
            self.next = segment.first;
            return Read::Gap(gap);
        }
        let chunk = Chunk {
            segment: segment.clone(),
            skip: usize::try_from(self.next - segment.first).unwrap_or(usize::MAX),
        };
        self.next = segment.end();
        Read::Flows(chunk)
    }

    /// Waits until there is more; `false` once the writer is gone.
    pub fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            if self.log.seen() > self.next {
                return Poll::Ready(true);
            }
            match Pin::new(&mut self.changes).poll_next(context) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Poll::Ready(self.log.seen() > self.next),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Waits until there is more; `false` once the writer is gone.
    pub async fn more(&mut self) -> bool {
        poll_fn(|context| self.poll_more(context)).await
    }
}

#[cfg(test)]
mod tests;
