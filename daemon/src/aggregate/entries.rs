//! Entries of the kernel's tables as records, named by who is who now.

use std::sync::Arc;

use flowd_abi::connection::Marks;
use flowd_abi::event::EventFlags;
use flowd_abi::{
    Connection, ConnectionKey, Denied, Direction, DropReason, Event, EventKind, Verdict,
};

use crate::enrich::{Directory, Names, Owners};
use crate::flow::Record;
use crate::flow::record::Judged;

/// Of IPv4.
const IPV4: u16 = 0x0800;
/// Of IPv6.
const IPV6: u16 = 0x86dd;

/// An entry as a flow that tells the numbers so far.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// When its last packet was seen, Unix nanoseconds.
    pub(super) last: i64,
    pub(super) answered: bool,
}

/// Makes records of entries.
#[derive(Debug)]
pub struct Entries<'a> {
    names: Names,
    owners: &'a mut Owners,
    /// `CLOCK_MONOTONIC` and Unix time, in nanoseconds.
    now: (u64, i64),
}

impl<'a> Entries<'a> {
    /// Of the tables at this moment: `CLOCK_MONOTONIC` and Unix time, in nanoseconds.
    pub fn new(directory: &Arc<Directory>, owners: &'a mut Owners, now: (u64, i64)) -> Self {
        let mut names = Names::default();
        names.follow(directory);
        owners.turn();
        Self { names, owners, now }
    }

    /// The Unix time of the records.
    pub(super) const fn time(&self) -> i64 {
        self.now.1
    }

    /// A connection; `None` where its numbers mean nothing to this build.
    pub(super) fn connection(
        &mut self,
        key: &ConnectionKey,
        connection: &Connection,
    ) -> Option<Entry> {
        let direction = connection.origin();
        let event = Event {
            created: connection.created,
            sent_packets: connection.sent_packets,
            sent_bytes: connection.sent_bytes,
            received_packets: connection.received_packets,
            received_bytes: connection.received_bytes,
            socket: connection.socket,
            rule: connection.rule,
            policy: connection.policy,
            generation: connection.generation,
            peer_identity: connection.peer_identity,
            peer_class: connection.peer_class,
            state: connection.state,
            verdict: connection.verdict,
            reason: connection.reason,
            match_type: connection.match_type,
            icmp_type: connection.icmp_type,
            icmp_code: connection.icmp_code,
            tcp_flags: match direction {
                Direction::Egress => connection.sent_flags,
                Direction::Ingress => connection.received_flags,
            },
            flags: match connection.marks & Marks::SEEDED {
                0 => 0,
                _ => EventFlags::SEEDED,
            },
            ..self.keyed(key, EventKind::Update, direction)
        };
        Some(Entry {
            record: self.record(event, EventKind::Update, direction)?,
            last: self.unix(connection.last),
            answered: connection.marks & Marks::REPLIED != 0,
        })
    }

    /// A denied flow; `None` where its numbers mean nothing to this build.
    pub(super) fn denied(&mut self, key: &ConnectionKey, denied: &Denied) -> Option<Entry> {
        let direction = Direction::from_number(denied.direction)?;
        let event = Event {
            created: denied.created,
            socket: denied.socket,
            sent_packets: denied.packets.saturating_sub(denied.told_packets),
            sent_bytes: denied.bytes,
            received_packets: denied.packets,
            rule: denied.rule,
            policy: denied.policy,
            generation: denied.generation,
            peer_identity: denied.peer_identity,
            peer_class: denied.peer_class,
            verdict: denied.verdict,
            reason: denied.reason,
            match_type: denied.match_type,
            tcp_flags: denied.tcp_flags,
            icmp_type: denied.icmp_type,
            icmp_code: denied.icmp_code,
            flags: match key.local == flowd_abi::Address::default() && key.remote == key.local {
                true => EventFlags::NO_ADDRESSES,
                false => 0,
            },
            ..self.keyed(key, EventKind::Drops, direction)
        };
        Some(Entry {
            record: self.record(event, EventKind::Drops, direction)?,
            last: self.unix(denied.last),
            answered: false,
        })
    }

    fn keyed(&self, key: &ConnectionKey, kind: EventKind, direction: Direction) -> Event {
        Event {
            time: self.now.0,
            endpoint: key.endpoint,
            local: key.local,
            remote: key.remote,
            local_port: key.local_port,
            remote_port: key.remote_port,
            protocol: key.protocol,
            ethertype: if key.local.is_v4() { IPV4 } else { IPV6 },
            kind: kind as u8,
            direction: direction as u8,
            origin: direction as u8,
            ..Event::default()
        }
    }

    fn record(&mut self, event: Event, kind: EventKind, direction: Direction) -> Option<Record> {
        let judged = Judged {
            event,
            kind,
            verdict: event.verdict()?,
            direction,
        };
        let default_deny = matches!(
            judged.verdict,
            Verdict::Drop(DropReason::DefaultDenied) | Verdict::Audit(DropReason::DefaultDenied)
        );
        let (owner, measured) = self.owners.find(&judged);
        Some(Record {
            seq: u64::MAX,
            time: self.now.1,
            local: self.names.local(&event),
            peer: self.names.peer(&event),
            decision: self.names.decision(&event, default_deny),
            owner,
            measured,
            shadow: None,
            judged,
        })
    }

    fn unix(&self, monotonic: u64) -> i64 {
        let ago = self.now.0.saturating_sub(monotonic);
        self.now
            .1
            .saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX))
    }
}
