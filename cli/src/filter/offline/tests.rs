//! Each field against a flow it fits and one it does not.

use flowd_proto::flow::{Flow, FlowFilter};
use serde_json::{Value, json};

use super::*;

/// A dropped request of frontend's to backend, and an HTTP answer from the world.
fn flows() -> [Flow; 2] {
    let read = |value: Value| serde_json::from_value(value).expect("a flow");
    [
        read(json!({
            "uuid": "first", "verdict": "DROPPED", "drop_reason_desc": "POLICY_DENIED",
            "IP": {"source": "10.0.0.1", "destination": "10.0.0.2", "ipVersion": "IPv4",
                   "source_xlated": "192.0.2.9"},
            "l4": {"TCP": {"source_port": 40000, "destination_port": 8080, "flags": {"SYN": true}}},
            "source": {"identity": 5001, "namespace": "shop", "pod_name": "frontend-1",
                       "labels": ["k8s:app=frontend"], "cluster_name": "default",
                       "workloads": [{"name": "frontend", "kind": "Deployment"}]},
            "destination": {"identity": 5002, "namespace": "shop", "pod_name": "backend-1",
                            "labels": ["k8s:app=backend"]},
            "event_type": {"type": 1, "sub_type": 133}, "traffic_direction": "EGRESS",
            "destination_service": {"name": "backend", "namespace": "shop"},
            "node_name": "alpha", "node_labels": ["zone=a"], "interface": {"index": 7, "name": "veth1"},
            "ip_trace_id": {"trace_id": "9"},
        })),
        read(json!({
            "uuid": "second", "verdict": "FORWARDED",
            "IP": {"source": "2001:db8::1", "destination": "fd00::1", "ipVersion": "IPv6",
                   "encrypted": true},
            "l4": {"UDP": {"source_port": 443, "destination_port": 50000}},
            "source": {"identity": 2, "labels": ["reserved:world"]},
            "destination": {"identity": 5001, "namespace": "prod", "pod_name": "web-1"},
            "source_names": ["api.example.org."],
            "l7": {"type": "RESPONSE", "http": {"code": 404, "method": "GET",
                   "url": "https://api.example.org/v1/items?page=2",
                   "headers": [{"key": "Host", "value": "api.example.org"}]}},
            "event_type": {"type": 129}, "is_reply": true, "node_name": "west/beta",
            "trace_context": {"parent": {"trace_id": "cafe"}},
        })),
    ]
}

fn filter(value: Value) -> FlowFilter {
    serde_json::from_value(value).expect("a filter")
}

/// Which of the two flows a filter lets pass.
fn passing(value: Value) -> [bool; 2] {
    let filters = Filters {
        allow: vec![filter(value)],
        ..Filters::default()
    };
    let filters = OfflineFilters::compile(&filters).expect("valid");
    flows().map(|flow| filters.pass(&flow))
}

const FIRST: [bool; 2] = [true, false];
const SECOND: [bool; 2] = [false, true];

#[test]
fn fields_of_one_end() {
    for (value, expected) in [
        (json!({"source_ip": ["10.0.0.0/8"]}), FIRST),
        (json!({"source_ip": ["2001:db8:0::1"]}), SECOND),
        (json!({"destination_ip": ["10.0.0.2", "::1"]}), FIRST),
        (json!({"source_pod": ["shop/front"]}), FIRST),
        (json!({"source_pod": ["front"]}), [false, false]),
        (json!({"destination_pod": ["/web"]}), SECOND),
        (json!({"destination_pod": ["shop/"]}), FIRST),
        (json!({"destination_service": ["shop/back"]}), FIRST),
        (json!({"source_service": ["/"]}), [false, false]),
        (json!({"source_fqdn": ["*.Example.org"]}), SECOND),
        (json!({"destination_fqdn": ["*"]}), [false, false]),
        (json!({"source_label": ["app=frontend"]}), FIRST),
        (json!({"source_label": ["reserved:world"]}), SECOND),
        (json!({"destination_label": ["!app"]}), SECOND),
        (json!({"source_port": ["443"]}), SECOND),
        (json!({"destination_port": ["8080", "1"]}), FIRST),
        (json!({"source_identity": [2]}), SECOND),
        (json!({"destination_identity": [5002]}), FIRST),
        (json!({"source_workload": [{"name": "frontend"}]}), FIRST),
        (
            json!({"source_workload": [{"kind": "Job"}]}),
            [false, false],
        ),
        (json!({"source_cluster_name": ["default"]}), FIRST),
    ] {
        assert_eq!(passing(value.clone()), expected, "{value}");
    }
}

#[test]
fn fields_of_the_whole() {
    for (value, expected) in [
        (json!({}), [true, true]),
        (json!({"uuid": ["second"]}), SECOND),
        (json!({"verdict": ["DROPPED", "AUDIT"]}), FIRST),
        (json!({"drop_reason_desc": ["POLICY_DENIED"]}), FIRST),
        (json!({"event_type": [{"type": 129}]}), SECOND),
        (
            json!({"event_type": [{"match_sub_type": true, "sub_type": 133}]}),
            FIRST,
        ),
        (json!({"traffic_direction": ["EGRESS"]}), FIRST),
        (json!({"reply": [true]}), SECOND),
        (json!({"reply": [false]}), FIRST),
        (json!({"ip_version": ["IPv6"]}), SECOND),
        (json!({"encrypted": [true]}), SECOND),
        (json!({"tcp_flags": [{"SYN": true}]}), FIRST),
        (
            json!({"tcp_flags": [{"SYN": true, "ACK": true}]}),
            [false, false],
        ),
        (json!({"protocol": ["TCP"]}), FIRST),
        (json!({"protocol": ["http", "icmp"]}), SECOND),
        (json!({"interface": [{"name": "veth1"}]}), FIRST),
        (
            json!({"interface": [{"name": "veth1", "index": 8}]}),
            [false, false],
        ),
        (json!({"source_ip_xlated": ["192.0.2.0/24"]}), FIRST),
        (json!({"node_name": ["alph*"]}), FIRST),
        (json!({"node_name": ["west/"]}), SECOND),
        (json!({"node_labels": ["zone in (a,b)"]}), FIRST),
        (json!({"ip_trace_id": ["9"]}), FIRST),
    ] {
        assert_eq!(passing(value.clone()), expected, "{value}");
    }
}

#[test]
fn fields_of_requests() {
    for (value, expected) in [
        (json!({"http_status_code": ["404"]}), SECOND),
        (json!({"http_status_code": ["4+"]}), SECOND),
        (json!({"http_status_code": ["41+", "200"]}), [false, false]),
        (json!({"http_method": ["get"]}), SECOND),
        (json!({"http_path": ["^/v1/items$"]}), SECOND),
        (json!({"http_path": ["example"]}), [false, false]),
        (json!({"http_url": ["example.org/v1"]}), SECOND),
        (
            json!({"http_header": [{"key": "Host", "value": "api.example.org"}]}),
            SECOND,
        ),
        (json!({"dns_query": ["."]}), [false, false]),
        (json!({"trace_id": ["cafe"]}), SECOND),
    ] {
        assert_eq!(passing(value.clone()), expected, "{value}");
    }
}

#[test]
fn lists_or_and_the_deny_list_wins() {
    let filters = Filters {
        allow: vec![
            filter(json!({"uuid": ["first"]})),
            filter(json!({"uuid": ["second"]})),
        ],
        deny: vec![filter(json!({"protocol": ["udp"], "reply": [true]}))],
        ..Filters::default()
    };
    let filters = OfflineFilters::compile(&filters).expect("valid");
    assert_eq!(flows().map(|flow| filters.pass(&flow)), FIRST);
}

#[test]
fn nonsense_is_refused() {
    for value in [
        json!({"source_ip": ["10.0.0"]}),
        json!({"source_pod": [""]}),
        json!({"source_fqdn": ["ä"]}),
        json!({"source_label": ["a in b"]}),
        json!({"source_port": ["http"]}),
        json!({"protocol": ["tcpp"]}),
        json!({"http_path": ["("]}),
        json!({"http_path": ["(a{1000}){1000}"]}),
        json!({"http_status_code": ["4"]}),
        json!({"http_method": ["GET"], "event_type": [{"type": 1}]}),
        json!({"experimental": {"cel_expression": ["true"]}}),
    ] {
        let filters = Filters {
            allow: vec![filter(value.clone())],
            ..Filters::default()
        };
        assert!(OfflineFilters::compile(&filters).is_err(), "{value}");
    }
}

/// Whether a flow with flowd's own fields passes what is asked beyond Hubble's.
fn passes_beyond(value: Value) -> bool {
    let ours = json!({
        "@type": "type.googleapis.com/flowd.v1.FlowExtension",
        "sent_bytes": "700", "received_bytes": "300", "sent_packets": "3", "duration": "2s",
        "process": {"pid": 17, "name": "curl", "executable": "/usr/bin/curl", "user": "www",
                    "user_id": 33, "unit": "shop.service", "container": "3fa9"},
        "rules": [{"kind": "CiliumNetworkPolicy", "namespace": "shop", "name": "db", "index": 1,
                   "direction": "INGRESS", "action": "DENY"}],
        "default_denied_by": [{"kind": "CiliumClusterwideNetworkPolicy", "name": "all"}],
    });
    let flow: Flow = serde_json::from_value(json!({"extensions": ours})).expect("a flow");
    let beyond: FlowExtensionFilter = serde_json::from_value(value).expect("a filter");
    let filters = Filters {
        allow: vec![FlowFilter::default()],
        beyond: flowd_proto::flowd::v1::GetFlowsExtension {
            whitelist: vec![beyond],
            ..Default::default()
        },
        ..Filters::default()
    };
    let filters = OfflineFilters::compile(&filters).expect("valid");
    assert!(!filters.pass(&Flow::default()), "a flow of another server");
    filters.pass(&flow)
}

#[test]
fn flowd_s_own_fields_match_as_on_the_server() {
    for fits in [
        json!({"process": ["cu*l"], "pid": [17, 18]}),
        json!({"process": ["/usr/bin/*"]}),
        json!({"user": ["33"], "unit": ["shop.*"], "container": ["3f*"]}),
        json!({"user": ["www"]}),
        json!({"rule": ["db"]}),
        json!({"rule": ["shop/d*:spec.ingressDeny[1]"]}),
        json!({"rule": ["CiliumNetworkPolicy/shop/db"]}),
        json!({"rule": ["CiliumClusterwideNetworkPolicy/all:default_deny"]}),
        json!({"min_bytes": "1000", "max_bytes": "1000", "min_packets": "3"}),
        json!({"min_duration": "2s", "max_duration": "2.5s"}),
    ] {
        assert!(passes_beyond(fits.clone()), "{fits}");
    }
    for misses in [
        json!({"process": ["cur"]}),
        json!({"process": ["curl"], "pid": [18]}),
        json!({"process": ["/bin/curl"]}),
        json!({"user": ["root"]}),
        json!({"rule": ["other/db"]}),
        json!({"rule": ["shop/db:default_deny"]}),
        json!({"rule": ["NetworkPolicy/shop/db"]}),
        json!({"min_bytes": "1001"}),
        json!({"max_packets": "2"}),
        json!({"min_duration": "2.000000001s"}),
    ] {
        assert!(!passes_beyond(misses.clone()), "{misses}");
    }
}
