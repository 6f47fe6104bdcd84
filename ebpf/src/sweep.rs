//! What the sweep does with a connection userspace found worth a visit: tell what could not be
//! told, tell how a long one goes, end one whose time is over.

use flowd_abi::{
    Connection, ConnectionKey, CounterIndex, Direction, EventKind, ForwardReason, Verdict,
    connection::{Marks, State},
};

use crate::{notice, tables::Tables, track};

/// Visits one connection. `interval` is the time in nanoseconds between two updates about a
/// connection that goes on.
#[inline(always)]
pub fn sweep<T: Tables>(tables: &mut T, key: &ConnectionKey, now: u64, interval: u64) {
    let timeouts = tables.timeouts();
    let Some(entry) = tables.connection(key) else {
        return;
    };
    let over = track::expired(&timeouts, key, entry, now);
    let connection = *entry;
    let Some(kind) = due(&connection, over, now, interval) else {
        if over {
            tables.remove_connection(key);
        }
        return;
    };
    if !notice::swept_connection(tables, key, &connection, kind, now) {
        return;
    }
    recover(tables, &connection);
    if over {
        tables.remove_connection(key);
    } else if let Some(entry) = tables.connection(key) {
        entry.told = now;
        entry.marks &= !(connection.marks & Marks::UNTOLD);
    }
}

/// The one event that tells all that is untold of a connection: each carries all its numbers.
#[inline(always)]
fn due(connection: &Connection, over: bool, now: u64, interval: u64) -> Option<EventKind> {
    let marks = connection.marks;
    if marks & Marks::UNTOLD_CLOSE != 0 {
        return Some(EventKind::Close);
    }
    if over {
        let ended = connection.state >= State::Closed as u8;
        return if ended && marks & Marks::UNTOLD == 0 {
            None
        } else {
            Some(EventKind::Close)
        };
    }
    if marks & Marks::UNTOLD_OPEN != 0 {
        return Some(EventKind::Open);
    }
    if marks & Marks::UNTOLD_REPLY != 0 {
        return Some(EventKind::Reply);
    }
    if marks & Marks::UNTOLD_VERDICT != 0 {
        return Some(EventKind::Verdict);
    }
    if connection.last > connection.told && now.saturating_sub(connection.told) >= interval {
        return Some(EventKind::Update);
    }
    None
}

/// Moves the packets whose events were deferred to "recovered".
#[inline(always)]
fn recover<T: Tables>(tables: &mut T, connection: &Connection) {
    let origin = connection.origin();
    let Some(verdict) = Verdict::from_numbers(connection.verdict, connection.reason) else {
        return;
    };
    let opening = connection.marks & Marks::UNTOLD_OPEN;
    let opening = u64::from(opening.count_ones());
    if opening > 0 {
        tables.recovered(CounterIndex::of(verdict, origin), opening);
    }
    let answers = connection.marks & (Marks::UNTOLD_REPLY | Marks::UNTOLD_CLOSE);
    let answers = u64::from(answers.count_ones());
    if answers > 0 {
        let answering = match origin {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        let reply = Verdict::Forward(ForwardReason::Reply);
        tables.recovered(CounterIndex::of(reply, answering), answers);
    }
}
