//! Tables of connections and of groups.

use flowd_proto::flowd::v1::{
    Connection, ConnectionState, ConnectionsResponse, Coverage, GroupKey, GroupValue, Perspective,
    TopResponse, TopRow, Traffic,
};
use serde_json::json;

use super::*;
use crate::print::{connections, top};

fn time(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

fn listed() -> ConnectionsResponse {
    let mut flow: Flow = serde_json::from_value(json!({
        "verdict": "FORWARDED", "traffic_direction": "EGRESS",
        "IP": {"source": "10.0.0.1", "destination": "192.0.2.9", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 443}},
        "source": {"identity": 5000, "namespace": "shop", "pod_name": "web-1"},
    }))
    .expect("a flow");
    let ours = FlowExtension {
        connection_state: ConnectionState::Established.into(),
        sent_bytes: 2_048,
        received_bytes: 10,
        sent_packets: 3,
        rtt_us: 1_500,
        duration: Some(flowd_proto::Duration {
            seconds: 61,
            nanos: 0,
        }),
        process: Some(Process {
            pid: 7,
            name: "curl\u{1b}".into(),
            ..Process::default()
        }),
        default_denied_by: vec![PolicyRef {
            namespace: "shop".into(),
            name: "web".into(),
            ..PolicyRef::default()
        }],
        ..FlowExtension::default()
    };
    flow.extensions = Some(ours.pack());
    ConnectionsResponse {
        connections: vec![Connection {
            flow: Some(flow),
            last_packet: time(95),
            answered: true,
        }],
        matched: 2_345,
        truncated: true,
        looked_at: 4_000,
        time: time(100),
        node_name: "node".into(),
    }
}

#[test]
fn connections_are_columns_and_what_is_cut_off_is_said() {
    let table = text(connections::table(&listed(), false).expect("ok"));
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("STATE   AGE     IDLE   SOURCE"),
        "{table}"
    );
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
        "open 1m 1s 5s shop/web-1:40000 192.0.2.9:443 tcp 2.0 KiB 10 B 3 1.5ms curl^[[7] FORWARDED \
         default deny by shop/web"
    );
    assert!(
        lines[2].starts_with("the first 1 of 2,345 that match, of 4,000"),
        "{table}"
    );
    let csv = text(connections::csv(&listed()).expect("ok"));
    let row = csv.lines().nth(1).expect("a row");
    assert!(
        row.contains(",open,EGRESS,tcp,10.0.0.1,40000,shop,web-1,192.0.2.9,443,"),
        "{csv}"
    );
    let nobody = connections::table(&ConnectionsResponse::default(), false).expect("ok");
    assert_eq!(text(nobody), "0 of 0 in the table\n");
}

fn largest() -> TopResponse {
    let traffic = |sent_bytes, drops| Traffic {
        flows: 2,
        sent_packets: 4,
        sent_bytes,
        dropped_packets: drops,
        ..Traffic::default()
    };
    let value = |value: &str, detail: &str| GroupValue {
        value: value.into(),
        detail: detail.into(),
    };
    TopResponse {
        rows: vec![TopRow {
            group: vec![value("5000", "k8s:app=web"), value("", "")],
            traffic: Some(traffic(10_240, 1)),
        }],
        other: Some(traffic(100, 0)),
        other_groups: 3,
        total: Some(traffic(10_340, 1)),
        group_by: vec![GroupKey::Identity.into(), GroupKey::Process.into()],
        perspective: Perspective::FromWorkload.into(),
        at_each_end: true,
        from: time(100),
        to: time(110),
        coverage: Some(Coverage {
            begins_too_late: true,
            lost: 9,
            ..Coverage::default()
        }),
        shed_groups: 2,
        rows_lack_at_most: 77,
        unknown_beginnings: 1,
        node_name: "node".into(),
    }
}

#[test]
fn groups_are_columns_with_others_total_and_what_to_know() {
    let table = text(top::table(&largest(), false, "heading\n").expect("ok"));
    let words: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(words[0], "heading");
    assert_eq!(
        words[1],
        "IDENTITY PROCESS BYTES PER SECOND SENT RECEIVED PACKETS FLOWS DROPS"
    );
    assert_eq!(
        words[2],
        "5000 (k8s:app=web) - 10.0 KiB 1.0 KiB/s 10.0 KiB 0 B 4 2 1"
    );
    assert!(words[3].starts_with("3 others 100 B"), "{table}");
    assert!(words[4].starts_with("total 10.1 KiB"), "{table}");
    for note in [
        "those of each workload",
        "no longer in memory",
        "9 flows went",
        "1 older connections",
        "lacks at most 77",
    ] {
        assert!(table.contains(note), "{note}: {table}");
    }
    let csv = text(top::csv(&largest()).expect("ok"));
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("row,identity,process,flows,"), "{csv}");
    assert_eq!(lines[1], "group,5000,,2,4,10240,0,0,1,0");
    assert_eq!(lines[3], "total,,,2,4,10340,0,0,1,0");
}
