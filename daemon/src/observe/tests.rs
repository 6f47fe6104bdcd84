//! Golden flows per event kind, and the wire against the mapping.

use flowd_abi::event::EventFlags;
use flowd_abi::{Address, DropReason, Event, EventKind, ForwardReason, Verdict, protocol};
use flowd_proto::flow::Flow;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use prost::Message;
use serde_json::{Value, json};

use super::flow::{View, build};
use super::mask::{Mask, Parts};
use super::uuid::Boot;
use super::wire::Encoder;
use crate::enrich::DirectoryHandle;
use crate::flow::Record;
use crate::flow::testing::{World, directory, dropped, judged, open, ping, reply};

fn view() -> View {
    View {
        directory: DirectoryHandle::new(directory()),
        boot: Boot::fixed(0x0123_4567_89ab_cdef),
    }
}

fn flow(event: Event) -> Flow {
    build(&World::records(&[event])[0], &view(), Parts::ALL)
}

/// The flow as a client prints it, without what every flow has in common.
fn golden(event: Event) -> Value {
    let mut value = serde_json::to_value(flow(event)).unwrap();
    let fields = value.as_object_mut().unwrap();
    for common in [
        "emitter",
        "node_name",
        "Type",
        "uuid",
        "ethernet",
        "interface",
    ] {
        assert!(fields.remove(common).is_some(), "{common}");
    }
    value
}

fn frontend() -> Value {
    json!({
        "ID": 7, "identity": 5000, "namespace": "shop", "pod_name": "frontend-1",
        "labels": ["k8s:app=frontend", "k8s:io.kubernetes.pod.namespace=shop"],
        "workloads": [{"name": "frontend", "kind": "Deployment"}], "cluster_name": "default",
    })
}

fn backend() -> Value {
    json!({
        "ID": 8, "identity": 5001, "namespace": "shop", "pod_name": "backend-1",
        "labels": ["k8s:app=backend", "k8s:io.kubernetes.pod.namespace=shop"],
        "workloads": [{"name": "backend", "kind": "Deployment"}], "cluster_name": "default",
    })
}

fn rule(name: &str, action: &str) -> Value {
    json!({
        "kind": "CiliumNetworkPolicy", "namespace": "shop", "name": name, "file": "shop.yaml",
        "line": 9, "index": 1, "direction": "EGRESS", "action": action,
    })
}

fn by(name: &str) -> Value {
    json!([{
        "kind": "CiliumNetworkPolicy", "namespace": "shop", "name": name, "revision": "4",
    }])
}

#[test]
fn an_allowed_opening_is_a_policy_verdict() {
    assert_eq!(
        golden(open()),
        json!({
            "time": "2023-11-14T22:13:20.000001Z",
            "verdict": "FORWARDED",
            "IP": {"source": "10.0.0.1", "destination": "10.0.0.2", "ipVersion": "IPv4"},
            "l4": {"TCP": {"source_port": 40000, "destination_port": 8080,
                           "flags": {"SYN": true}}},
            "source": frontend(),
            "destination": backend(),
            "event_type": {"type": 5},
            "traffic_direction": "EGRESS",
            "policy_match_type": 2,
            "is_reply": false,
            "egress_allowed_by": by("front"),
            "policy_log": ["log of front"],
            "Summary": "TCP Flags: SYN",
            "extensions": {
                "@type": "type.googleapis.com/flowd.v1.FlowExtension",
                "event": "OPEN", "sent_packets": "1", "sent_bytes": "74",
                "received_packets": "2", "received_bytes": "3",
                "created": "2023-11-14T22:13:20.000001Z", "packets_told": "1",
                "policy_generation": 4, "connection_state": "NEW", "reason": "allowed",
                "rules": [rule("front", "ALLOW")],
            },
        })
    );
}

#[test]
fn an_answer_is_a_trace_that_runs_back() {
    let flow = golden(reply());
    assert_eq!(flow["IP"]["source"], "10.0.0.2");
    assert_eq!(flow["source"], backend());
    assert_eq!(flow["destination"], frontend());
    assert_eq!(flow["l4"]["TCP"]["source_port"], 8080);
    assert_eq!(flow["event_type"], json!({"type": 4}));
    assert_eq!(flow["trace_observation_point"], "TO_ENDPOINT");
    assert_eq!(flow["trace_reason"], "REPLY");
    assert_eq!(flow["is_reply"], true);
    assert_eq!(flow["reply"], true);
    assert_eq!(flow["traffic_direction"], "EGRESS");
    assert_eq!(flow["egress_allowed_by"], by("front"));
    assert_eq!(flow["Summary"], "TCP Flags: SYN, ACK");
}

#[test]
fn a_default_deny_names_the_policies_that_switched_it_on() {
    let flow = golden(dropped());
    assert_eq!(flow["verdict"], "DROPPED");
    assert_eq!(flow["drop_reason"], 133);
    assert_eq!(flow["drop_reason_desc"], "POLICY_DENIED");
    assert_eq!(flow["event_type"], json!({"type": 1, "sub_type": 133}));
    assert_eq!(flow["traffic_direction"], "INGRESS");
    assert_eq!(flow["is_reply"], false);
    assert_eq!(flow["ingress_denied_by"], by("front"));
    assert_eq!(
        flow["source"],
        json!({
            "identity": 2, "labels": ["cidr:192.0.2.0/24", "reserved:world"],
        })
    );
    assert_eq!(flow["Summary"], "UDP");
    let ours = &flow["extensions"];
    assert_eq!(ours["reason"], "default_denied");
    assert_eq!(ours["cidr"], "192.0.2.0/24");
    assert_eq!(ours["received_packets"], "1");
    assert_eq!(ours["received_bytes"], "60");
    assert_eq!(
        ours["default_denied_by"],
        json!([{
            "kind": "CiliumNetworkPolicy", "namespace": "shop", "name": "front",
            "file": "shop.yaml", "line": 3,
        }])
    );
    assert!(ours.get("rules").is_none());
}

#[test]
fn repeated_drops_say_how_many_they_stand_for() {
    let event = Event {
        kind: EventKind::Drops as u8,
        sent_packets: 41,
        received_packets: 42,
        ..dropped()
    };
    let flow = golden(event);
    assert_eq!(flow["extensions"]["packets_told"], "41");
    assert_eq!(flow["extensions"]["received_packets"], "42");
    assert_eq!(flow["event_type"], json!({"type": 1, "sub_type": 133}));
}

#[test]
fn a_rule_that_denies_is_named() {
    let flow = golden(judged(
        EventKind::Drop,
        Verdict::Drop(DropReason::RuleDenied),
    ));
    assert_eq!(flow["drop_reason_desc"], "POLICY_DENY");
    assert_eq!(flow["egress_denied_by"], by("stop"));
    assert_eq!(flow["extensions"]["rules"], json!([rule("stop", "DENY")]));
}

#[test]
fn an_audit_is_a_policy_verdict_with_the_deniers() {
    let flow = golden(judged(
        EventKind::Open,
        Verdict::Audit(DropReason::DefaultDenied),
    ));
    assert_eq!(flow["verdict"], "AUDIT");
    assert_eq!(flow["event_type"], json!({"type": 5}));
    assert_eq!(flow["egress_denied_by"], by("front"));
    assert!(flow.get("drop_reason_desc").is_none());
}

#[test]
fn an_unenforced_opening_is_a_new_trace() {
    let flow = golden(ping());
    assert_eq!(flow["event_type"], json!({"type": 4, "sub_type": 5}));
    assert_eq!(flow["trace_observation_point"], "FROM_ENDPOINT");
    assert_eq!(flow["trace_reason"], "NEW");
    assert_eq!(flow["Summary"], "ICMPv6 EchoRequest");
    assert_eq!(flow["l4"], json!({"ICMPv6": {"type": 128}}));
    assert_eq!(flow["IP"]["destination"], "fd00::2");
    assert_eq!(
        flow["destination"],
        json!({
            "identity": 777_777, "labels": ["reserved:unknown"],
        })
    );
    assert!(flow.get("egress_allowed_by").is_none());
}

#[test]
fn later_events_are_traces_of_what_is_established() {
    for (kind, state, told) in [
        (EventKind::Verdict, 2, "ESTABLISHED"),
        (EventKind::Update, 2, "ESTABLISHED"),
        (EventKind::Close, 5, "RESET"),
        (EventKind::Close, 2, "TIMED_OUT"),
    ] {
        let event = Event {
            state,
            ..judged(kind, Verdict::Forward(ForwardReason::Allowed))
        };
        let flow = golden(event);
        assert_eq!(
            flow["event_type"],
            json!({"type": 4, "sub_type": 5}),
            "{kind:?}"
        );
        assert_eq!(flow["trace_reason"], "ESTABLISHED", "{kind:?}");
        assert_eq!(flow["extensions"]["connection_state"], told, "{kind:?}");
    }
    let cut = golden(judged(
        EventKind::Verdict,
        Verdict::Drop(DropReason::RuleDenied),
    ));
    assert_eq!(cut["verdict"], "DROPPED");
    assert_eq!(cut["event_type"], json!({"type": 1, "sub_type": 181}));
}

#[test]
fn what_is_no_ip_has_no_addresses() {
    let event = Event {
        flags: EventFlags::NO_ADDRESSES,
        ethertype: 0x88cc,
        protocol: 0,
        ..judged(
            EventKind::Drop,
            Verdict::Drop(DropReason::UnsupportedEthertype),
        )
    };
    let flow = golden(event);
    assert!(flow.get("IP").is_none());
    assert!(flow.get("l4").is_none());
    assert_eq!(flow["Summary"], "Ethernet");
    assert_eq!(flow["drop_reason_desc"], "UNSUPPORTED_L2_PROTOCOL");
}

#[test]
fn unknown_numbers_are_served_as_unknown() {
    let event = Event {
        endpoint: 4242,
        rule: 99,
        ..open()
    };
    let flow = golden(event);
    assert_eq!(
        flow["source"],
        json!({"ID": 4242, "labels": ["reserved:unknown"]})
    );
    assert!(flow.get("egress_allowed_by").is_none());
    assert_eq!(
        flow["extensions"]["rules"],
        json!([{"kind": "unknown", "name": "rule set 99"}])
    );
    let denied = golden(Event {
        policy: 77,
        ..dropped()
    });
    assert!(denied.get("ingress_denied_by").is_none());
    assert_eq!(
        denied["extensions"]["default_denied_by"],
        json!([{"kind": "unknown", "name": "policy 77"}])
    );
}

#[test]
fn each_reason_has_hubbles_number() {
    for reason in DropReason::ALL {
        let flow = flow(judged(EventKind::Drop, Verdict::Drop(reason)));
        let text = flowd_proto::reason::of(reason);
        assert_eq!(flow.drop_reason_desc().as_str_name(), text.hubble_name());
        assert_eq!(flow.event_type.unwrap().sub_type, text.number());
    }
}

/// Records of every kind, verdict and address family.
fn many() -> Vec<Record> {
    let verdicts = ForwardReason::ALL
        .map(Verdict::Forward)
        .into_iter()
        .chain(DropReason::ALL.map(Verdict::Drop))
        .chain(DropReason::ALL.map(Verdict::Audit));
    let mut events = vec![reply(), dropped(), ping()];
    for verdict in verdicts {
        for kind in (1..=7).filter_map(EventKind::from_number) {
            events.push(judged(kind, verdict));
            events.push(Event {
                protocol: protocol::SCTP,
                remote: Address::v4([192, 0, 2, 1]),
                peer_class: 0x0100_0001,
                generation: 0,
                rule: 50,
                ..judged(kind, verdict)
            });
        }
    }
    events.retain(|event| event.kind < EventKind::Drop as u8 || event.verdict != 1);
    World::records(&events)
}

#[test]
fn the_wire_says_what_the_mapping_says() {
    let view = view();
    let mut encoder = Encoder::new(view.clone(), Mask::default());
    for record in many() {
        let mut bytes = Vec::new();
        encoder.response(&record, &mut bytes);
        let response = GetFlowsResponse::decode(bytes.as_slice()).unwrap();
        let expected = build(&record, &view, Parts::ALL);
        assert_eq!(response.node_name, expected.node_name);
        assert_eq!(response.time, expected.time);
        // The extension's own fields may stand in another order.
        let Some(ResponseTypes::Flow(flow)) = response.response_types else {
            panic!("no flow in {response:?}");
        };
        assert_eq!(flow.extension(), expected.extension());
        let without = |flow: Flow| Flow {
            extensions: None,
            ..flow
        };
        assert_eq!(without(flow), without(expected));
    }
}

#[test]
fn a_mask_keeps_what_the_contracts_mask_keeps() {
    let view = view();
    let paths: Vec<String> = [
        "time",
        "verdict",
        "source.identity",
        "destination.pod_name",
        "l4.TCP.destination_port",
        "Summary",
        "egress_allowed_by",
        "l7",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut encoder = Encoder::new(view.clone(), Mask::compile(&paths).unwrap());
    let oracle = flowd_proto::FlowMask::compile(&paths).unwrap();
    for record in many() {
        let response = encoder.message(&record);
        let expected = oracle.apply(&build(&record, &view, Parts::ALL));
        assert_eq!(
            response.response_types,
            Some(ResponseTypes::Flow(expected.clone()))
        );
        assert_eq!(response.time, expected.time);
        assert_eq!(response.node_name, "");
    }
    let wrong = Mask::compile(&["source.pod".to_owned()]).unwrap_err();
    assert!(wrong.to_string().contains("source.pod"), "{wrong}");
}
