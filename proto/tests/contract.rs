//! The contract seen from outside: JSON, descriptors and field masks.

use flowd_proto::flow::{
    DropReason, Endpoint, Flow, Ip, IpVersion, Layer4, Policy, Tcp, TcpFlags, TrafficDirection,
    Verdict, layer4,
};
use flowd_proto::flowd::v1::{ConnectionState, EventKind, FlowExtension, RuleAction, RuleRef};
use flowd_proto::observer::{GetFlowsRequest, GetFlowsResponse, get_flows_response::ResponseTypes};
use flowd_proto::{Any, FieldMask, FlowMask, MaskError, Timestamp, descriptor, mask};
use prost::Message;
use serde_json::{Value, json};

fn extension() -> FlowExtension {
    FlowExtension {
        event: EventKind::Drop.into(),
        sent_packets: 1,
        sent_bytes: 74,
        created: Some(Timestamp {
            seconds: 1234,
            nanos: 567_000_000,
        }),
        packets_told: 1,
        policy_generation: 4,
        connection_state: ConnectionState::New.into(),
        reason: "rule-denied".into(),
        rules: vec![RuleRef {
            kind: "CiliumNetworkPolicy".into(),
            namespace: "shop".into(),
            name: "db".into(),
            file: "db.yaml".into(),
            line: 12,
            index: 0,
            direction: TrafficDirection::Ingress.into(),
            action: RuleAction::Deny.into(),
        }],
        ..FlowExtension::default()
    }
}

fn flow() -> Flow {
    Flow {
        time: Some(Timestamp {
            seconds: 1234,
            nanos: 567_000_000,
        }),
        verdict: Verdict::Dropped.into(),
        drop_reason_desc: DropReason::PolicyDeny.into(),
        ip: Some(Ip {
            source: "10.1.0.1".into(),
            destination: "10.1.0.2".into(),
            ip_version: IpVersion::IPv4.into(),
            ..Ip::default()
        }),
        l4: Some(Layer4 {
            protocol: Some(layer4::Protocol::Tcp(Tcp {
                source_port: 31793,
                destination_port: 5432,
                flags: Some(TcpFlags {
                    syn: true,
                    ..TcpFlags::default()
                }),
            })),
        }),
        source: Some(Endpoint {
            id: 7,
            identity: 12345,
            ..Endpoint::default()
        }),
        is_reply: Some(false),
        traffic_direction: TrafficDirection::Ingress.into(),
        ingress_denied_by: vec![Policy {
            name: "db".into(),
            ..Policy::default()
        }],
        summary: "TCP Flags: SYN".into(),
        extensions: Some(extension().pack()),
        ..Flow::default()
    }
}

#[test]
fn a_flow_with_its_extension_survives_json() {
    let response = GetFlowsResponse {
        node_name: "k8s1".into(),
        time: flow().time,
        response_types: Some(ResponseTypes::Flow(flow())),
    };
    let value = serde_json::to_value(&response).expect("every enum is in range");
    assert_eq!(value["time"], "1970-01-01T00:20:34.567Z");
    let shown = &value["flow"];
    assert_eq!(shown["verdict"], "DROPPED");
    assert_eq!(shown["IP"]["ipVersion"], "IPv4");
    assert_eq!(shown["l4"]["TCP"]["flags"], json!({"SYN": true}));
    assert_eq!(shown["source"]["ID"], 7);
    assert_eq!(shown["is_reply"], false);
    assert_eq!(shown["Summary"], "TCP Flags: SYN");
    assert_eq!(
        shown["extensions"]["@type"],
        flowd_proto::EXTENSION_TYPE_URL
    );
    assert_eq!(shown["extensions"]["sent_bytes"], "74");
    assert_eq!(shown["extensions"]["rules"][0]["action"], "DENY");
    assert!(
        shown.get("destination").is_none(),
        "unset fields are left out"
    );

    let back: GetFlowsResponse = serde_json::from_value(value).expect("own JSON");
    assert_eq!(back, response);
    let Some(ResponseTypes::Flow(back)) = back.response_types else {
        panic!("a flow")
    };
    assert_eq!(back.extension(), Some(extension()));
    assert_eq!(back.denied_by()[0].name, "db");
}

#[test]
fn an_unknown_any_keeps_its_bytes() {
    let any = Any {
        type_url: "example.org/x.Y".into(),
        value: vec![1, 2, 255].into(),
    };
    let value = serde_json::to_value(&any).expect("no failure possible");
    assert_eq!(
        value,
        json!({"typeUrl": "example.org/x.Y", "value": "AQL/"})
    );
    assert_eq!(serde_json::from_value::<Any>(value).expect("own JSON"), any);
    let foreign = json!({"@type": "example.org/x.Y", "z": 1});
    assert!(serde_json::from_value::<Any>(foreign).is_err());
}

#[test]
fn a_broken_extension_is_shown_raw() {
    let any = Any {
        type_url: flowd_proto::EXTENSION_TYPE_URL.into(),
        value: vec![8].into(),
    };
    assert_eq!(FlowExtension::unpack(&any), None);
    let value: Value = serde_json::to_value(&any).expect("no failure possible");
    assert_eq!(value["value"], "CA==");
}

#[test]
fn the_descriptor_set_holds_every_service() {
    let set = prost_types::FileDescriptorSet::decode(descriptor::FILE_DESCRIPTOR_SET).expect("ok");
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                methods.push(format!(
                    "{}.{}/{}",
                    file.package(),
                    service.name(),
                    method.name()
                ));
            }
        }
    }
    methods.sort();
    assert_eq!(
        methods,
        [
            "flowd.v1.Aggregates/Connections",
            "flowd.v1.Aggregates/Top",
            "flowd.v1.Flowd/Explain",
            "flowd.v1.Flowd/Status",
            "flowd.v1.Flowd/Why",
            "flowd.v1.Modes/ClearMode",
            "flowd.v1.Modes/ListModes",
            "flowd.v1.Modes/SetMode",
            "flowd.v1.Policies/Apply",
            "flowd.v1.Policies/BreakGlass",
            "flowd.v1.Policies/Confirm",
            "flowd.v1.Policies/Delete",
            "flowd.v1.Policies/Diff",
            "flowd.v1.Policies/List",
            "flowd.v1.Timeline/GetEvents",
            "observer.Observer/GetAgentEvents",
            "observer.Observer/GetDebugEvents",
            "observer.Observer/GetFlows",
            "observer.Observer/GetNamespaces",
            "observer.Observer/GetNodes",
            "observer.Observer/ServerStatus",
            "peer.Peer/Notify",
        ]
    );
}

#[test]
fn numbers_on_the_wire_are_hubbles() {
    let numbers = |message: &str, fields: &[(&str, u32)]| {
        let shape = descriptor::message(message).expect(message);
        for (name, number) in fields {
            assert_eq!(
                shape.field(name).map(|f| f.number),
                Some(*number),
                "{message}.{name}"
            );
        }
    };
    numbers(
        "flow.Flow",
        &[
            ("IP", 5),
            ("Type", 10),
            ("is_reply", 26),
            ("uuid", 34),
            ("ingress_denied_by", 21005),
        ],
    );
    numbers(
        "flow.Flow",
        &[
            ("Summary", 100_000),
            ("extensions", 150_000),
            ("emitter", 41),
        ],
    );
    numbers(
        "flow.FlowFilter",
        &[("source_ip", 1), ("destination_ip", 3), ("encrypted", 40)],
    );
    numbers(
        "observer.GetFlowsRequest",
        &[("follow", 3), ("whitelist", 6), ("experimental", 999)],
    );
    numbers(
        "observer.GetFlowsResponse",
        &[("node_name", 1000), ("time", 1001)],
    );
    assert_eq!(DropReason::PolicyDenied as i32, 133);
    assert_eq!(
        DropReason::from_str_name("DROP_FRAG_NOT_FOUND_WORLD").map(i32::from),
        Some(207)
    );
}

#[test]
fn masks_are_checked_against_the_flow() {
    let known = [
        "time",
        "source.pod_name",
        "l4.TCP.flags.SYN",
        "tunnel.l4.UDP.source_port",
    ];
    assert!(FlowMask::compile(&known).is_ok());
    let paths = mask::flow_field_paths();
    assert!(known.iter().all(|path| paths.iter().any(|p| p == path)));
    assert!(
        FlowMask::compile(&paths).is_ok(),
        "what is listed is accepted"
    );

    let unknown = FlowMask::compile(&["source.podName"]).expect_err("JSON spelling");
    assert!(
        unknown
            .to_string()
            .contains("flow.Endpoint has no field \"podName\""),
        "{unknown}"
    );
    for below in [
        "verdict.x",
        "ingress_denied_by.name",
        "source.workloads.name",
    ] {
        let error = FlowMask::compile(&[below]).expect_err(below);
        assert!(matches!(error, MaskError::NotAMessage { .. }), "{error}");
    }
    assert!(FlowMask::compile(&[""]).is_err());
    assert!(FlowMask::compile(&["source..identity"]).is_err());
}

#[test]
fn a_mask_keeps_what_it_names() {
    let paths = [
        "source.identity",
        "l4.TCP.destination_port",
        "Summary",
        "verdict",
        "ethernet",
    ];
    let masked = FlowMask::compile(&paths).expect("known").apply(&flow());
    let expected = Flow {
        verdict: Verdict::Dropped.into(),
        source: Some(Endpoint {
            identity: 12345,
            ..Endpoint::default()
        }),
        l4: Some(Layer4 {
            protocol: Some(layer4::Protocol::Tcp(Tcp {
                destination_port: 5432,
                ..Tcp::default()
            })),
        }),
        summary: "TCP Flags: SYN".into(),
        ..Flow::default()
    };
    assert_eq!(masked, expected);

    for order in [["source.identity", "source"], ["source", "source.identity"]] {
        let whole = FlowMask::compile(&order).expect("known").apply(&flow());
        assert_eq!(whole.source, flow().source);
    }
    let all = FlowMask::compile(&mask::flow_field_paths())
        .expect("known")
        .apply(&flow());
    assert_eq!(all, flow());
    let none = FlowMask::compile::<&str>(&[])
        .expect("empty")
        .apply(&flow());
    assert_eq!(none, Flow::default());
}

#[test]
fn a_request_reads_its_mask_and_filters_from_json() {
    let request: GetFlowsRequest = serde_json::from_value(json!({
        "number": "20",
        "whitelist": [{"source_pod": ["shop/"], "verdict": ["DROPPED"], "reply": [false]}],
        "field_mask": "time,IP",
    }))
    .expect("a request");
    assert_eq!(request.number, 20);
    assert_eq!(
        request.field_mask,
        Some(FieldMask {
            paths: vec!["time".into(), "IP".into()]
        })
    );
    assert_eq!(request.whitelist[0].verdict, [i32::from(Verdict::Dropped)]);
    let typo = json!({"whitelist": [{"sourcePodd": ["shop/"]}]});
    assert!(
        serde_json::from_value::<GetFlowsRequest>(typo).is_err(),
        "a typo is no empty filter"
    );
}
