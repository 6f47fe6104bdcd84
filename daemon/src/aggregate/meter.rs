//! What each event adds to its connection or denied flow, which tell their numbers since they began.
//!
//! It remembers as many of them as the flow log and the kernel's tables hold, and no longer than for
//! one answer: their bounds are its own.

use flowd_abi::event::EventFlags;
use flowd_abi::{Address, EventKind};
use hashbrown::HashMap;

use crate::flow::Record;
use crate::flow::record::Judged;
use crate::observe::extension::Numbers;

/// One connection or denied flow. A tuple that is used again began at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    local: Address,
    remote: Address,
    created: u64,
    endpoint: u32,
    ports: (u16, u16),
    protocol: u8,
    denied: bool,
}

/// Packets and bytes.
pub(super) type Amount = (u64, u64);

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    sent: Amount,
    received: Amount,
    /// What it had moved before its first event that is known, and before the window, is not known.
    unknown_beginning: bool,
    /// It has been counted as a flow.
    counted: bool,
    held: Held,
}

/// What was moved while the filters did not let it pass, as one verdict. They may yet: its process is
/// known from its first answer on, its bytes grow.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Verdict, reason and rules.
    decided: (u8, u8, u32),
    sent: Amount,
    received: Amount,
}

/// What an event adds.
#[derive(Debug)]
pub(super) struct Gain<'a> {
    /// From the workload.
    pub(super) sent: Amount,
    /// To the workload.
    pub(super) received: Amount,
    decided: (u8, u8, u32),
    known: &'a mut Known,
}

impl Gain<'_> {
    /// Whether this is the first time it is counted.
    pub(super) fn count(&mut self) -> bool {
        !std::mem::replace(&mut self.known.counted, true)
    }

    /// Whether a part of what it moved within the window is not known.
    pub(super) const fn has_unknown_beginning(&self) -> bool {
        self.known.unknown_beginning
    }

    /// Holds it until the filters let an event of the same connection and verdict pass.
    pub(super) fn hold(self) {
        let held = &mut self.known.held;
        if held.decided != self.decided {
            *held = Held {
                decided: self.decided,
                ..Held::default()
            };
        }
        held.sent = plus(held.sent, self.sent);
        held.received = plus(held.received, self.received);
    }

    /// Adds what was held.
    pub(super) fn release(&mut self) {
        let held = std::mem::take(&mut self.known.held);
        if held.decided == self.decided {
            self.sent = plus(self.sent, held.sent);
            self.received = plus(self.received, held.received);
        }
    }

    /// Whether nothing was moved.
    pub(super) fn is_nothing(&self) -> bool {
        self.sent == (0, 0) && self.received == (0, 0)
    }
}

/// The numbers so far of all that was met.
#[derive(Debug)]
pub(super) struct Meter {
    since: i64,
    known: HashMap<Key, Known>,
}

/// Whether it is about a denied flow.
const fn is_denied(judged: &Judged) -> bool {
    match judged.kind {
        EventKind::Drop | EventKind::Drops => true,
        EventKind::Open
        | EventKind::Reply
        | EventKind::Verdict
        | EventKind::Update
        | EventKind::Close => false,
    }
}

impl Meter {
    /// For a window that begins at `since`, Unix nanoseconds.
    pub(super) fn new(since: i64) -> Self {
        Self {
            since,
            known: HashMap::new(),
        }
    }

    /// Whether it is the first packet of something, within the window. When that began is told by the
    /// clock of the tables, which is some milliseconds coarser than that of events.
    fn begins(record: &Record, since: i64) -> bool {
        let judged = &record.judged;
        let first = match judged.kind {
            EventKind::Open | EventKind::Drop => true,
            EventKind::Reply
            | EventKind::Verdict
            | EventKind::Update
            | EventKind::Close
            | EventKind::Drops => false,
        };
        first && judged.event.flags & EventFlags::SWEPT == 0 && record.time >= since
    }

    /// Reads an event: in the order they were told.
    pub(super) fn read(&mut self, record: &Record) -> Gain<'_> {
        let judged = &record.judged;
        let event = &judged.event;
        let now = Numbers::of(judged);
        let key = Key {
            local: event.local,
            remote: event.remote,
            created: event.created,
            endpoint: event.endpoint,
            ports: (event.local_port, event.remote_port),
            protocol: event.protocol,
            denied: is_denied(judged),
        };
        let since = self.since;
        let known = self.known.entry(key).or_insert_with(|| {
            if record.created() >= since || Self::begins(record, since) {
                return Known::default();
            }
            // Of a denied flow, the packets this event speaks for are known in any case.
            let before = |(packets, bytes): Amount| match key.denied {
                true => (packets.saturating_sub(now.told), bytes),
                false => (packets, bytes),
            };
            Known {
                sent: before(now.sent),
                received: before(now.received),
                unknown_beginning: record.time >= since,
                ..Known::default()
            }
        });
        Gain {
            sent: grow(&mut known.sent, now.sent),
            received: grow(&mut known.received, now.received),
            decided: (event.verdict, event.reason, event.rule),
            known,
        }
    }
}

const fn plus(one: Amount, other: Amount) -> Amount {
    (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
}

/// Raises what is known; by how much. Two rings are read in turn, so an event may come late.
fn grow(known: &mut Amount, now: Amount) -> Amount {
    let gain = (now.0.saturating_sub(known.0), now.1.saturating_sub(known.1));
    *known = (known.0.max(now.0), known.1.max(now.1));
    gain
}
