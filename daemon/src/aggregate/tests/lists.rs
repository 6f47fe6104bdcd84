//! The list of what the tables hold.

use flowd_abi::connection::Marks;
use flowd_abi::{Connection, ConnectionKey, Denied, DropReason, Verdict};
use flowd_proto::flow::{FlowFilter, TrafficDirection, Verdict as HubbleVerdict};
use flowd_proto::flowd::v1::{
    ConnectionOrder, ConnectionState, ConnectionsRequest, ConnectionsResponse, FlowSelection,
};

use super::*;
use crate::aggregate::ListPlan;

fn key(port: u16, last: u8) -> ConnectionKey {
    ConnectionKey {
        endpoint: 7,
        local: open().local,
        remote: outside(last),
        local_port: port,
        remote_port: 443,
        protocol: open().protocol,
        ..ConnectionKey::default()
    }
}

/// Three connections: of 10, 30 and 20 bytes, begun 3, 1 and 2 seconds before now.
fn live() -> Live {
    let (verdict, reason) = open().verdict().unwrap().to_numbers();
    let one = |port, bytes, age: u64, origin: Direction| {
        let connection = Connection {
            created: NOW - age * 1_000_000_000,
            last: NOW - 500_000_000,
            sent_packets: 1,
            sent_bytes: bytes,
            origin: origin as u8,
            verdict,
            reason,
            rule: 2,
            state: 2,
            marks: Marks::REPLIED,
            ..Connection::default()
        };
        (key(port, 1), connection)
    };
    let (verdict, reason) = Verdict::Drop(DropReason::DefaultDenied).to_numbers();
    let denied = Denied {
        created: NOW - 1_000_000_000,
        last: NOW,
        packets: 5,
        bytes: 300,
        told_packets: 1,
        policy: 5,
        direction: Direction::Ingress as u8,
        verdict,
        reason,
        ..Denied::default()
    };
    Live {
        connections: vec![
            one(1, 10, 3, Direction::Egress),
            one(2, 30, 1, Direction::Egress),
            one(3, 20, 2, Direction::Ingress),
        ],
        denied: vec![(key(9, 2), denied)],
    }
}

fn list(request: &ConnectionsRequest) -> ConnectionsResponse {
    let world = World::new(10);
    let mut owners = Owners::nobody();
    let now = (NOW, OFFSET + i64::try_from(NOW).unwrap());
    let directory = world.sources.directory.snapshot();
    let mut entries = Entries::new(&directory, &mut owners, now);
    let plan = ListPlan::compile(request, &context(&world)).unwrap();
    plan.run(&live(), &mut entries, &world.sources.view())
}

/// Bytes the workload sent, of each.
fn bytes(answer: &ConnectionsResponse) -> Vec<u64> {
    let sent = answer.connections.iter().map(|one| {
        let extension = one.flow.as_ref().unwrap().extension().unwrap();
        extension.sent_bytes + extension.received_bytes
    });
    sent.collect()
}

#[test]
fn the_first_by_some_order_and_how_many_there_are() {
    for (order, expected) in [
        (ConnectionOrder::Unspecified, [30, 20, 10]),
        (ConnectionOrder::Newest, [30, 20, 10]),
        (ConnectionOrder::Oldest, [10, 20, 30]),
    ] {
        let request = ConnectionsRequest {
            order: order.into(),
            ..ConnectionsRequest::default()
        };
        assert_eq!(bytes(&list(&request)), expected, "{order:?}");
    }
    let two = list(&ConnectionsRequest {
        number: 2,
        ..ConnectionsRequest::default()
    });
    assert_eq!((two.matched, two.looked_at, two.truncated), (3, 3, true));
    assert_eq!(bytes(&two), [30, 20]);
    let plan = ListPlan::compile(
        &ConnectionsRequest {
            number: 2_001,
            ..ConnectionsRequest::default()
        },
        &context(&World::new(1)),
    );
    assert!(plan.unwrap_err().to_string().contains("at most 2000"));
}

#[test]
fn a_connection_is_told_as_a_flow_of_its_opener() {
    let filter = FlowFilter {
        destination_pod: vec!["shop/frontend".to_owned()],
        ..FlowFilter::default()
    };
    let answer = list(&ConnectionsRequest {
        selection: Some(FlowSelection {
            whitelist: vec![filter],
            ..FlowSelection::default()
        }),
        ..ConnectionsRequest::default()
    });
    assert_eq!((answer.matched, answer.truncated), (1, false));
    let one = &answer.connections[0];
    let flow = one.flow.as_ref().unwrap();
    let extension = flow.extension().unwrap();
    assert_eq!(flow.ip.as_ref().unwrap().source, "192.0.2.1");
    assert_eq!(flow.destination.as_ref().unwrap().pod_name, "frontend-1");
    assert_eq!(flow.traffic_direction(), TrafficDirection::Ingress);
    assert_eq!(extension.connection_state(), ConnectionState::Established);
    assert_eq!(extension.duration.unwrap().seconds, 2);
    assert_eq!(extension.rules[0].name, "front");
    assert!(one.answered && flow.uuid.is_empty());
    let age = answer.time.unwrap().seconds - one.last_packet.unwrap().seconds;
    assert!((0..=1).contains(&age), "{age}");
}

#[test]
fn denied_flows_are_a_list_of_their_own() {
    let answer = list(&ConnectionsRequest {
        denied: true,
        ..ConnectionsRequest::default()
    });
    let flow = answer.connections[0].flow.as_ref().unwrap();
    let extension = flow.extension().unwrap();
    assert_eq!(flow.verdict(), HubbleVerdict::Dropped);
    assert_eq!(
        (extension.received_packets, extension.received_bytes),
        (5, 300)
    );
    assert_eq!(extension.packets_told, 4);
    assert_eq!(extension.default_denied_by[0].name, "front");
    assert_eq!(answer.matched, 1);
}
