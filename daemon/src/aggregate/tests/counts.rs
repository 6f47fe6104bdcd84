//! What counts, at which end, and in which window.

use flowd_abi::{Connection, ConnectionKey, DropReason, Verdict};
use flowd_proto::Timestamp;
use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::{
    FlowExtensionFilter, FlowSelection, GetFlowsExtension, Perspective, TopOrder,
};

use super::*;
use crate::flow::testing::{dropped, judged};

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Option<Timestamp> {
    Some(crate::observe::flow::timestamp(
        OFFSET + i64::try_from(seconds * SECOND).unwrap(),
    ))
}

fn by(group_by: &[GroupKey]) -> TopRequest {
    TopRequest {
        group_by: keys(group_by),
        ..TopRequest::default()
    }
}

/// One connection over 30 seconds that both its ends tell.
fn world() -> World {
    let mut world = World::new(1_000);
    for (kind, seconds, numbers) in [
        (EventKind::Open, 10, [1, 100, 0, 0]),
        (EventKind::Reply, 10, [1, 100, 1, 90]),
        (EventKind::Update, 20, [5, 500, 4, 400]),
        (EventKind::Close, 40, [9, 1_000, 8, 3_000]),
    ] {
        let event = told(kind, 10 * SECOND, seconds * SECOND, 40_000, numbers);
        let turned = |event| match kind {
            EventKind::Reply | EventKind::Close => as_reply(event),
            EventKind::Open
            | EventKind::Verdict
            | EventKind::Update
            | EventKind::Drop
            | EventKind::Drops => event,
        };
        world.tell(&[turned(event), turned(at_the_backend(event))]);
    }
    world
}

#[test]
fn a_connection_between_two_workloads_counts_once_by_its_ends_and_twice_by_workload() {
    let world = world();
    let answer = ask(&world, &TopRequest::default());
    let whole = Traffic {
        flows: 1,
        sent_packets: 9,
        sent_bytes: 1_000,
        received_packets: 8,
        received_bytes: 3_000,
        ..Traffic::default()
    };
    let name = "shop/Deployment/frontend|shop/Deployment/backend|TCP/8080";
    assert_eq!(table(&answer), [(name.to_owned(), whole)].into());
    assert_eq!((answer.total, answer.at_each_end), (Some(whole), false));
    assert_eq!(answer.perspective(), Perspective::FromSource);

    let answer = ask(&world, &by(&[GroupKey::Pod]));
    let back = Traffic {
        sent_packets: 8,
        sent_bytes: 3_000,
        received_packets: 9,
        received_bytes: 1_000,
        ..whole
    };
    let rows = [("shop/frontend-1", whole), ("shop/backend-1", back)];
    let rows = rows.map(|(name, sum)| (name.to_owned(), sum)).into();
    assert_eq!(table(&answer), rows);
    assert_eq!(answer.perspective(), Perspective::FromWorkload);
    assert!(answer.at_each_end);
}

#[test]
fn a_window_counts_what_was_moved_within_it() {
    let world = world();
    let bytes = |since: Option<u64>, until: Option<u64>| {
        let request = TopRequest {
            since: since.and_then(at),
            until: until.and_then(at),
            ..by(&[GroupKey::SourceNamespace])
        };
        let total = ask(&world, &request).total.unwrap();
        (total.flows, total.sent_bytes, total.received_bytes)
    };
    assert_eq!(bytes(None, None), (1, 1_000, 3_000));
    assert_eq!(bytes(Some(5), Some(15)), (1, 100, 90));
    assert_eq!(bytes(Some(15), Some(25)), (1, 400, 310));
    assert_eq!(bytes(Some(15), None), (1, 900, 2_910));
    assert_eq!(bytes(Some(41), None), (0, 0, 0));
    let backwards = TopRequest {
        since: at(2),
        until: at(1),
        ..TopRequest::default()
    };
    assert_eq!(refused(&backwards), AggregateError::Backwards);
}

#[test]
fn what_moved_before_anything_is_known_is_not_counted_and_said() {
    let mut world = World::new(1_000);
    let update = |seconds, bytes| {
        let numbers = [1, bytes, 0, 0];
        told(EventKind::Update, SECOND, seconds * SECOND, 1, numbers)
    };
    world.tell(&[update(50, 7_000), update(60, 7_500)]);
    let answer = ask(&world, &by(&[GroupKey::Port]));
    assert_eq!(answer.total.unwrap().sent_bytes, 500);
    assert_eq!(answer.unknown_beginnings, 1);
    // The tables' clock is coarser than that of events: the first packet is the beginning.
    let mut coarse = World::new(1_000);
    let opened = told(
        EventKind::Open,
        SECOND - 4_000_000,
        SECOND,
        1,
        [1, 74, 0, 0],
    );
    coarse.tell(&[opened]);
    let answer = ask(&coarse, &by(&[GroupKey::Port]));
    assert_eq!(answer.total.unwrap().sent_bytes, 74);
    assert_eq!(answer.unknown_beginnings, 0);
    // Asked since before it began, all of it belongs to the window.
    let whole = TopRequest {
        since: at(1),
        ..by(&[GroupKey::Port])
    };
    let answer = ask(&world, &whole);
    assert_eq!(answer.total.unwrap().sent_bytes, 7_500);
    assert_eq!(answer.unknown_beginnings, 0);
}

#[test]
fn the_tables_add_what_no_flow_has_told_yet() {
    let world = world();
    let key = ConnectionKey {
        endpoint: 7,
        local: open().local,
        remote: open().remote,
        local_port: 40_001,
        remote_port: 8080,
        protocol: open().protocol,
        ..ConnectionKey::default()
    };
    let (verdict, reason) = open().verdict().unwrap().to_numbers();
    let connection = Connection {
        created: 45 * SECOND,
        last: 50 * SECOND,
        sent_packets: 3,
        sent_bytes: 333,
        origin: Direction::Egress as u8,
        verdict,
        reason,
        rule: 2,
        state: 2,
        ..Connection::default()
    };
    let live = || Live {
        connections: vec![(key, connection)],
        denied: Vec::new(),
    };
    let ask = |request: &TopRequest| {
        let plan = TopPlan::compile(request, &context(&world)).unwrap();
        answer(&world, plan, live()).total.unwrap()
    };
    let request = by(&[GroupKey::Rule]);
    let total = ask(&TopRequest {
        group_by: keys(&[GroupKey::DestinationPod]),
        ..request.clone()
    });
    assert_eq!((total.flows, total.sent_bytes), (2, 1_333));
    let past = TopRequest {
        until: at(100),
        ..request.clone()
    };
    assert_eq!(ask(&past).flows, 2, "the two ends, and no table");
    let idle = TopRequest {
        since: at(51),
        ..request
    };
    assert_eq!(ask(&idle), Traffic::default());
}

#[test]
fn drops_count_where_they_happened() {
    let mut world = World::new(1_000);
    let denied = Event {
        peer_identity: 5001,
        remote: open().remote,
        remote_port: 5,
        created: SECOND,
        ..judged(EventKind::Drop, Verdict::Drop(DropReason::RuleDenied))
    };
    let drops = Event {
        kind: EventKind::Drops as u8,
        sent_packets: 9,
        received_packets: 10,
        sent_bytes: 740,
        ..denied
    };
    world.tell(&[denied, drops, dropped()]);
    let request = TopRequest {
        order: TopOrder::Drops.into(),
        ..by(&[GroupKey::Reason, GroupKey::Rule])
    };
    let rows = table(&ask(&world, &request));
    let sum = |name: &str| {
        (
            rows[name].flows,
            rows[name].dropped_packets,
            rows[name].dropped_bytes,
        )
    };
    let by_rule = "rule_denied|CiliumNetworkPolicy/shop/stop:spec.egressDeny[1]";
    assert_eq!(sum(by_rule), (1, 10, 740));
    let by_default = "default_denied|CiliumNetworkPolicy/shop/front:default_deny";
    assert_eq!(sum(by_default), (1, 1, 60));
    assert_eq!(rows.len(), 2);
}

#[test]
fn filters_look_at_the_connection_and_count_all_it_moved() {
    let world = world();
    let bytes = |selection: FlowSelection| {
        let request = TopRequest {
            selection: Some(selection),
            ..by(&[GroupKey::SourcePod])
        };
        let total = ask(&world, &request).total.unwrap();
        (total.flows, total.sent_bytes, total.received_bytes)
    };
    // Also what its answers tell.
    let from = |pod: &str| FlowSelection {
        whitelist: vec![FlowFilter {
            source_pod: vec![format!("shop/{pod}")],
            ..FlowFilter::default()
        }],
        ..FlowSelection::default()
    };
    assert_eq!(bytes(from("frontend")), (1, 1_000, 3_000));
    assert_eq!(bytes(from("backend")), (0, 0, 0));
    // Also what it moved before it was large enough.
    let large = |min_bytes| FlowSelection {
        extension: Some(GetFlowsExtension {
            whitelist: vec![FlowExtensionFilter {
                min_bytes: Some(min_bytes),
                ..FlowExtensionFilter::default()
            }],
            ..GetFlowsExtension::default()
        }),
        ..FlowSelection::default()
    };
    assert_eq!(bytes(large(4_000)), (1, 1_000, 3_000));
    assert_eq!(bytes(large(4_001)), (0, 0, 0));
}

#[test]
fn an_observer_of_some_namespaces_adds_up_theirs_alone() {
    let world = world();
    let total = |names: &[&str]| {
        let scope = Scope::of(names.iter().map(|name| (*name).to_owned()));
        let context = Context {
            scope,
            ..context(&world)
        };
        let plan = TopPlan::compile(&TopRequest::default(), &context).unwrap();
        answer(&world, plan, Live::default()).total.unwrap()
    };
    assert_eq!(total(&["bank"]), Traffic::default());
    assert_eq!(total(&["bank", "shop"]).sent_bytes, 1_000);
}
