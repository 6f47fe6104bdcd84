//! Aggregates against what a plain sum over the flows says.

mod counts;
mod lists;
mod sums;

use std::collections::BTreeMap;

use flowd_abi::event::EventFlags;
use flowd_abi::{Address, Direction, Event, EventKind};
use flowd_proto::flowd::v1::{GroupKey, TopRequest, TopResponse, Traffic};

use super::{AggregateError, Entries, TopPlan};
use crate::access::Scope;
use crate::enrich::Owners;
use crate::flow::testing::{OFFSET, World, open};
use crate::observe::filter::Context;
use crate::rehearse::Live;

/// Monotonic time of the tables in tests.
const NOW: u64 = 1_000_000_000_000;

fn context(world: &World) -> Context {
    Context {
        directory: world.sources.directory.clone(),
        boot: world.sources.boot,
        scope: Scope::All,
    }
}

fn keys(keys: &[GroupKey]) -> Vec<i32> {
    keys.iter().map(|key| *key as i32).collect()
}

fn answer(world: &World, plan: TopPlan, live: Live) -> TopResponse {
    let mut owners = Owners::nobody();
    let now = (NOW, OFFSET + i64::try_from(NOW).unwrap());
    let directory = world.sources.directory.snapshot();
    let mut entries = Entries::new(&directory, &mut owners, now);
    plan.run(world.log(), &mut entries, || Ok::<_, ()>(live))
        .unwrap()
}

fn ask(world: &World, request: &TopRequest) -> TopResponse {
    let plan = TopPlan::compile(request, &context(world)).unwrap();
    answer(world, plan, Live::default())
}

fn refused(request: &TopRequest) -> AggregateError {
    TopPlan::compile(request, &context(&World::new(10))).unwrap_err()
}

/// Rows by what they have in common, joined by bars.
fn table(answer: &TopResponse) -> BTreeMap<String, Traffic> {
    let rows = answer.rows.iter().map(|row| {
        let values: Vec<&str> = row.group.iter().map(|value| value.value.as_str()).collect();
        (values.join("|"), row.traffic.unwrap())
    });
    rows.collect()
}

/// A connection from the frontend to the backend, as the frontend tells it: when it began and its
/// source port.
fn told(kind: EventKind, created: u64, time: u64, port: u16, numbers: [u64; 4]) -> Event {
    let [sent_packets, sent_bytes, received_packets, received_bytes] = numbers;
    Event {
        kind: kind as u8,
        created,
        time,
        local_port: port,
        sent_packets,
        sent_bytes,
        received_packets,
        received_bytes,
        ..open()
    }
}

/// The same as the backend tells it.
fn at_the_backend(event: Event) -> Event {
    Event {
        endpoint: 8,
        local: event.remote,
        remote: event.local,
        local_port: event.remote_port,
        remote_port: event.local_port,
        peer_identity: 5000,
        direction: Direction::Ingress as u8,
        origin: Direction::Ingress as u8,
        sent_packets: event.received_packets,
        sent_bytes: event.received_bytes,
        received_packets: event.sent_packets,
        received_bytes: event.sent_bytes,
        ..event
    }
}

/// The same, told by a packet that runs against the connection.
fn as_reply(event: Event) -> Event {
    let direction = if event.origin == Direction::Egress as u8 {
        Direction::Ingress
    } else {
        Direction::Egress
    };
    Event {
        direction: direction as u8,
        flags: event.flags | EventFlags::REPLY,
        ..event
    }
}

fn outside(last: u8) -> Address {
    Address::v4([192, 0, 2, last])
}
