//! The exact text each format makes of a fixed answer.

use super::*;

#[test]
fn compact_lines_are_hubbles() {
    assert_eq!(
        line(syn()),
        "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied \
         DROPPED (TCP Flags: SYN)\n"
    );
    let reply = Flow {
        verdict: Verdict::Forwarded.into(),
        is_reply: Some(true),
        event_type: Some(CiliumEventType {
            r#type: 4,
            sub_type: 0,
        }),
        summary: "TCP Flags: SYN, ACK".into(),
        ..syn()
    };
    assert_eq!(
        shown(Output::Compact, NODE, &[answer(reply)]),
        "Jan  1 00:20:34.567 [k8s1]: 2.2.2.2:8080 (ID:12345) <- 1.1.1.1:31793 (health) to-endpoint \
         FORWARDED (TCP Flags: SYN, ACK)\n"
    );
    let judged = Flow {
        verdict: Verdict::Forwarded.into(),
        is_reply: None,
        event_type: Some(CiliumEventType {
            r#type: 5,
            sub_type: 0,
        }),
        policy_match_type: 1,
        source: Some(Endpoint {
            identity: 12345,
            namespace: "default".into(),
            pod_name: "xwing".into(),
            ..Endpoint::default()
        }),
        destination: Some(Endpoint {
            identity: 2,
            ..Endpoint::default()
        }),
        ingress_allowed_by: vec![Policy {
            name: "my-policy".into(),
            kind: "CiliumNetworkPolicy".into(),
            ..Policy::default()
        }],
        ..syn()
    };
    assert_eq!(
        line(judged),
        "Jan  1 00:20:34.567: default/xwing:31793 (ID:12345) <> 2.2.2.2:8080 (world) \
         policy-verdict:L3-Only INGRESS ALLOWED BY my-policy (CiliumNetworkPolicy) \
         (TCP Flags: SYN)\n"
    );
    assert_eq!(
        shown(Output::Compact, STYLE, &[lost()]),
        "Jan  1 00:20:34.567 EVENTS LOST: HUBBLE_RING_BUFFER CPU(5) 1\n"
    );
}

#[test]
fn drops_of_the_kernel_say_its_word() {
    let extension = FlowExtension {
        kernel_reason: "NO_SOCKET".into(),
        packets_told: 3,
        ..FlowExtension::default()
    };
    let dropped = Flow {
        event_type: Some(CiliumEventType {
            r#type: 1,
            sub_type: 178,
        }),
        extensions: Some(extension.pack()),
        ..syn()
    };
    assert_eq!(
        line(dropped.clone()),
        "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Socket lookup failed \
         DROPPED (TCP Flags: SYN) x3 [kernel: NO_SOCKET]\n"
    );
    let dict = shown(Output::Dict, STYLE, &[answer(dropped)]);
    assert!(dict.contains("     KERNEL: NO_SOCKET\n"), "{dict}");
}

#[test]
fn dict_separates_records() {
    let udp = layer4::Protocol::Udp(Udp {
        source_port: 5353,
        destination_port: 53,
    });
    let second = Flow {
        l4: Some(Layer4 {
            protocol: Some(udp),
        }),
        summary: "UDP".into(),
        ..syn()
    };
    assert_eq!(
        shown(Output::Dict, NODE, &[answer(syn()), answer(second), lost()]),
        "  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
     SOURCE: 1.1.1.1:31793
DESTINATION: 2.2.2.2:8080
       TYPE: Policy denied
    VERDICT: DROPPED
    SUMMARY: TCP Flags: SYN
------------
  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
     SOURCE: 1.1.1.1:5353
DESTINATION: 2.2.2.2:53
       TYPE: Policy denied
    VERDICT: DROPPED
    SUMMARY: UDP
------------
  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
     SOURCE: HUBBLE_RING_BUFFER
       TYPE: EVENTS LOST
    VERDICT: 
    SUMMARY: CPU(5) 1
"
    );
}

#[test]
fn tables_are_aligned() {
    let paint = Paint::ALWAYS;
    assert_eq!(
        shown(Output::Table, Style { paint, ..STYLE }, &[answer(syn()), lost()]),
        "TIMESTAMP             SOURCE               DESTINATION    TYPE            VERDICT   SUMMARY
Jan  1 00:20:34.567   1.1.1.1:31793        2.2.2.2:8080   Policy denied   DROPPED   TCP Flags: SYN
Jan  1 00:20:34.567   HUBBLE_RING_BUFFER                  EVENTS LOST               CPU(5) 1
"
    );
    assert!(
        shown(Output::Table, NODE, &[answer(syn())])
            .starts_with("TIMESTAMP             NODE   SOURCE ")
    );
    assert_eq!(shown(Output::Table, STYLE, &[]), "");
}

#[test]
fn json_is_one_answer_a_line() {
    let both = shown(Output::Json, STYLE, &[answer(syn()), lost()]);
    assert_eq!(both, shown(Output::Jsonpb, STYLE, &[answer(syn()), lost()]));
    let lines: Vec<serde_json::Value> = both
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        lines[0],
        serde_json::json!({
            "flow": {
                "time": "1970-01-01T00:20:34.567800Z",
                "verdict": "DROPPED",
                "drop_reason_desc": "POLICY_DENIED",
                "IP": {"source": "1.1.1.1", "destination": "2.2.2.2", "ipVersion": "IPv4"},
                "l4": {"TCP": {
                    "source_port": 31793, "destination_port": 8080, "flags": {"SYN": true}
                }},
                "source": {"identity": 4},
                "destination": {"identity": 12345},
                "event_type": {"type": 1, "sub_type": 133},
                "is_reply": false,
                "traffic_direction": "INGRESS",
                "Summary": "TCP Flags: SYN",
            },
            "node_name": "k8s1",
            "time": "1970-01-01T00:20:34.567800Z",
        })
    );
    assert_eq!(lines[1]["lost_events"]["num_events_lost"], "1");
    assert_eq!(lines[1]["lost_events"]["cpu"], 5);
}

#[test]
fn colours_follow_the_meaning() {
    let style = Style {
        paint: Paint::ALWAYS,
        ..STYLE
    };
    let text = shown(Output::Compact, style, &[answer(syn())]);
    for piece in [
        "\u{1b}[36m1.1.1.1\u{1b}[0m:\u{1b}[33m31793\u{1b}[0m \u{1b}[35m(health)\u{1b}[0m ->",
        "Policy denied \u{1b}[31mDROPPED\u{1b}[0m (TCP",
    ] {
        assert!(text.contains(piece), "{text:?}");
    }
    let forwarded = Flow {
        verdict: Verdict::Forwarded.into(),
        ..syn()
    };
    let text = shown(Output::Compact, style, &[answer(forwarded)]);
    assert!(text.contains("\u{1b}[32mFORWARDED\u{1b}[0m"), "{text:?}");
}

#[test]
fn a_value_without_a_name_leaves_no_half_line() {
    let newer = Flow {
        drop_reason_desc: 9_999,
        ..syn()
    };
    let mut out = Vec::new();
    let error = printer(Output::Json, STYLE)
        .print(&answer(newer), &mut out)
        .expect_err("unknown");
    assert!(error.to_string().contains("--field-mask"), "{error}");
    assert!(out.is_empty());
}

#[test]
fn csv_has_names_first_and_no_formula() {
    let mut flow = syn();
    flow.summary = "=1+1, \"quoted\"".into();
    let text = shown(Output::Csv, STYLE, &[answer(flow)]);
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("names").split(',').collect();
    assert_eq!(names[..4], ["time", "node", "uuid", "verdict"]);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let row = reader.records().next().expect("a row").expect("CSV");
    let cell = |name: &str| {
        let place = names.iter().position(|known| *known == name);
        row.get(place.expect("a column"))
            .expect("a cell")
            .to_owned()
    };
    assert_eq!(cell("time"), "1970-01-01T00:20:34.5678Z");
    assert_eq!(cell("verdict"), "DROPPED");
    assert_eq!(cell("drop_reason"), "POLICY_DENIED");
    assert_eq!(cell("protocol"), "tcp");
    assert_eq!(cell("source_ip"), "1.1.1.1");
    assert_eq!(cell("destination_port"), "8080");
    assert_eq!(cell("summary"), "'=1+1, \"quoted\"");
}

#[test]
fn otlp_is_a_log_record_a_line() {
    let text = shown(Output::OtlpJson, STYLE, &[answer(syn())]);
    let value: serde_json::Value = serde_json::from_str(text.trim_end()).expect("JSON");
    let record = &value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1234567800000");
    assert_eq!(record["severityText"], "WARN");
    let attributes = record["attributes"].as_array().expect("a list");
    let find = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute["key"] == key);
        found.map(|attribute| attribute["value"].clone())
    };
    assert_eq!(
        find("source.address"),
        Some(serde_json::json!({"stringValue": "1.1.1.1"}))
    );
    assert_eq!(
        find("destination.port"),
        Some(serde_json::json!({"intValue": "8080"}))
    );
    assert_eq!(
        find("flow.drop_reason"),
        Some(serde_json::json!({"stringValue": "POLICY_DENIED"}))
    );
    assert_eq!(find("flow.rules"), None, "what is empty is left out");
}
