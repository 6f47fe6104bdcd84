//! Command lines and the filters they must become.

use clap::Parser;
use serde_json::json;

use super::*;
use crate::args::{Cli, Command, FilterTerms};

fn terms(line: &str) -> Result<Vec<Term>, clap::Error> {
    let line = ["flowctl", "observe"]
        .into_iter()
        .chain(line.split_whitespace());
    match Cli::try_parse_from(line)?.command {
        Command::Observe(args) => Ok(args.filters.0),
        Command::Status { .. }
        | Command::Explain { .. }
        | Command::List { .. }
        | Command::Completion { .. }
        | Command::Policy(_)
        | Command::Host(_)
        | Command::Mode(_)
        | Command::Why(_)
        | Command::Connections(_)
        | Command::Top(_)
        | Command::Watch { .. }
        | Command::Reflect
        | Command::Config { .. }
        | Command::Version => panic!("not observe"),
    }
}

fn lists(line: &str) -> (serde_json::Value, serde_json::Value) {
    let filters = build(&terms(line).expect(line)).expect(line);
    let json = |list| serde_json::to_value(list).expect("in range");
    (json(&filters.allow), json(&filters.deny))
}

#[test]
fn flags_become_filters() {
    let table = [
        ("", json!([]), json!([])),
        (
            "--from-ip 10.0.0.0/8",
            json!([{"source_ip": ["10.0.0.0/8"]}]),
            json!([]),
        ),
        (
            "--to-port 80 --to-port 443",
            json!([{"destination_port": ["80", "443"]}]),
            json!([]),
        ),
        (
            "--ip 10.0.0.1 --ip=::1",
            json!([{"source_ip": ["10.0.0.1", "::1"]}, {"destination_ip": ["10.0.0.1", "::1"]}]),
            json!([]),
        ),
        (
            "--port 53 --protocol UDP --verdict dropped",
            json!([
                {"source_port": ["53"], "protocol": ["udp"], "verdict": ["DROPPED"]},
                {"destination_port": ["53"], "protocol": ["udp"], "verdict": ["DROPPED"]},
            ]),
            json!([]),
        ),
        (
            "--identity world --from-label app=a,tier!=b --to-workload Deployment/web",
            json!([
                {"source_identity": [2], "source_label": ["app=a,tier!=b"],
                 "destination_workload": [{"kind": "Deployment", "name": "web"}]},
                {"destination_identity": [2], "source_label": ["app=a,tier!=b"],
                 "destination_workload": [{"kind": "Deployment", "name": "web"}]},
            ]),
            json!([]),
        ),
        (
            "-t trace:to-endpoint -t drop:POLICY_DENIED -t l7 -t 5:0",
            json!([{"event_type": [
                {"type": 4, "match_sub_type": true},
                {"type": 1, "match_sub_type": true, "sub_type": 133},
                {"type": 129},
                {"type": 5, "match_sub_type": true},
            ]}]),
            json!([]),
        ),
        (
            "--tcp-flags syn,ACK --tcp-flags rst -4 --ip-version v6 --reply",
            json!([{"tcp_flags": [{"SYN": true, "ACK": true}, {"RST": true}],
                    "ip_version": ["IPv4", "IPv6"], "reply": [true]}]),
            json!([]),
        ),
        (
            "--drop-reason policy_deny --traffic-direction EGRESS --not-reply --uuid u --node-name n",
            json!([{"drop_reason_desc": ["POLICY_DENY"], "traffic_direction": ["EGRESS"],
                    "reply": [false], "uuid": ["u"], "node_name": ["n"]}]),
            json!([]),
        ),
        (
            "--service shop/web --cluster west",
            json!([
                {"source_service": ["shop/web"], "source_cluster_name": ["west"]},
                {"destination_service": ["shop/web"], "destination_cluster_name": ["west"]},
            ]),
            json!([]),
        ),
        (
            "-n shop --to-service web --http-status 5+ --http-method GET --http-path ^/v1 --http-header A:b",
            json!([{"destination_service": ["shop/web"], "http_status_code": ["5+"],
                    "http_method": ["GET"], "http_path": ["^/v1"],
                    "http_header": [{"key": "A", "value": "b"}]}]),
            json!([]),
        ),
        (
            "--interface 7 --interface veth1 --encrypted --snat-ip 10.0.0.1 --ip-trace-id 9 --trace-id t",
            json!([{"interface": [{"index": 7}, {"name": "veth1"}], "encrypted": [true],
                    "source_ip_xlated": ["10.0.0.1"], "ip_trace_id": ["9"], "trace_id": ["t"]}]),
            json!([]),
        ),
        (
            "--cel-expression _flow.uuid=='u' --node-label zone=a --dns-query x --http-url y",
            json!([{"experimental": {"cel_expression": ["_flow.uuid=='u'"]},
                    "node_labels": ["zone=a"], "dns_query": ["x"], "http_url": ["y"]}]),
            json!([]),
        ),
        (
            "--from-all-namespaces --from-pod web --to-pod db",
            json!([{"source_pod": ["/web"], "destination_pod": ["db"]}]),
            json!([]),
        ),
        (
            "--fqdn *.example.org",
            json!([{"source_fqdn": ["*.example.org"]}, {"destination_fqdn": ["*.example.org"]}]),
            json!([]),
        ),
    ];
    for (line, allow, deny) in table {
        assert_eq!(lists(line), (allow, deny), "{line}");
    }
}

#[test]
fn not_negates_the_next_flag_only() {
    let table = [
        (
            "--not --verdict FORWARDED --to-port 80",
            json!([{"destination_port": ["80"]}]),
            json!([{"verdict": ["FORWARDED"]}]),
        ),
        (
            "--from-ip ::1 --not -f --to-port 80 --not --to-port=81",
            json!([{"source_ip": ["::1"]}]),
            json!([{"destination_port": ["80", "81"]}]),
        ),
        ("--not -4", json!([]), json!([{"ip_version": ["IPv4"]}])),
        (
            "--not --port 53",
            json!([]),
            json!([{"source_port": ["53"]}, {"destination_port": ["53"]}]),
        ),
        (
            "--not --reply --not-reply",
            json!([{"reply": [false]}]),
            json!([{"reply": [true]}]),
        ),
    ];
    for (line, allow, deny) in table {
        assert_eq!(lists(line), (allow, deny), "{line}");
    }
    for line in [
        "--not",
        "--ip ::1 --not",
        "--not --not --ip ::1",
        "--not -f",
    ] {
        assert!(terms(line).is_err(), "{line}");
    }
}

#[test]
fn namespaces_complete_pods() {
    let pods = |line| {
        let (allow, deny) = lists(line);
        let side = |list: &serde_json::Value| {
            (
                list[0]["source_pod"].clone(),
                list[1]["destination_pod"].clone(),
            )
        };
        (side(&allow).0, side(&allow).1, side(&deny).0)
    };
    let none = serde_json::Value::Null;
    assert_eq!(
        pods("--pod web"),
        (json!(["web"]), json!(["web"]), none.clone())
    );
    assert_eq!(
        pods("-n shop"),
        (json!(["shop/"]), json!(["shop/"]), none.clone())
    );
    assert_eq!(pods("-n shop --pod web").0, json!(["shop/web"]));
    assert_eq!(
        pods("-n a -n b --pod web --pod b/db").0,
        json!(["a/web", "b/web", "b/db"])
    );
    assert_eq!(pods("-A --pod web").0, json!(["/web"]));
    assert_eq!(pods("-n shop --not --pod db").2, json!(["shop/db"]));
    assert_eq!(lists("-A"), (json!([]), json!([])));
    assert_eq!(
        lists("--from-namespace a --to-pod b/c").0,
        json!([
            {"source_pod": ["a/"], "destination_pod": ["b/c"]}
        ])
    );
    assert_eq!(
        lists("-n shop --from-pod web").0,
        json!([
            {"source_pod": ["shop/web"]}
        ])
    );
    assert_eq!(
        lists("-n shop --not --to-pod db").1,
        json!([{"destination_pod": ["shop/db"]}])
    );
}

#[test]
fn contradictions_are_refused() {
    for line in [
        "--ip ::1 --from-ip ::1",
        "--to-pod a --pod b",
        "-A -n shop",
        "-n shop --pod other/web",
        "-n shop --from-pod other/web",
        "--pod web --from-namespace a",
        "-n a/b",
        "--port http",
        "--port 70000",
        "--identity nobody",
        "-t sideways",
        "-t trace:sideways",
        "--tcp-flags syn,quick",
    ] {
        let error = build(&terms(line).expect(line)).expect_err(line);
        assert!(!error.to_string().is_empty());
    }
    for line in [
        "--verdict MAYBE",
        "--ip-version 5",
        "--drop-reason TIRED",
        "--last 3 --all",
    ] {
        assert!(terms(line).is_err(), "{line}");
    }
}

#[test]
fn raw_filters_are_read_strictly_and_printed_as_yaml() {
    let filter = parse_raw(r#"{"source_pod":["shop/"],"verdict":["DROPPED"]}"#).expect("a filter");
    let filters = Filters {
        allow: vec![filter],
        ..Filters::default()
    };
    assert_eq!(
        raw_yaml(&filters).expect("in range"),
        "allowlist:\n    - '{\"source_pod\":[\"shop/\"],\"verdict\":[\"DROPPED\"]}'\n"
    );
    let error = parse_raw(r#"{"source_podd":[]}"#).expect_err("a typo");
    assert!(error.to_string().contains("source_podd"), "{error}");
}

/// What is asked beyond Hubble's fields, of both lists, with how many filters they have.
fn beyond(line: &str) -> (usize, serde_json::Value, usize, serde_json::Value) {
    let filters = build(&terms(line).expect(line)).expect(line);
    let json = |list| serde_json::to_value(list).expect("in range");
    (
        filters.allow.len(),
        json(&filters.beyond.whitelist),
        filters.deny.len(),
        json(&filters.beyond.blacklist),
    )
}

#[test]
fn flags_beyond_hubble_stand_beside_its_filters() {
    let curl = json!({"process": ["curl"]});
    for (line, expected) in [
        ("--process", (0, json!([]), 0, json!([]))),
        ("--process curl", (1, json!([curl]), 0, json!([]))),
        // One filter for the source, one for the destination: both ask for the process.
        (
            "--process curl --port 80",
            (2, json!([curl, curl]), 0, json!([])),
        ),
        ("--not --process curl", (0, json!([]), 1, json!([curl]))),
        (
            "--process 17 --process /usr/bin/* --user root --unit nginx.service --container 3f",
            (
                1,
                json!([{"process": ["/usr/bin/*"], "pid": [17], "unit": ["nginx.service"],
                        "container": ["3f*"], "user": ["root"]}]),
                0,
                json!([]),
            ),
        ),
        (
            "--rule shop/db --min-bytes 10k --max-packets 7 --not --min-duration 90s",
            (
                1,
                json!([{"rule": ["shop/db"], "min_bytes": "10000", "max_packets": "7"}]),
                1,
                json!([{"min_duration": "90s"}]),
            ),
        ),
    ] {
        assert_eq!(beyond(line), expected, "{line}");
    }
    assert!(terms("--not --process").is_err());
    assert!(FilterTerms(terms("--process").expect("ok")).show_process());
    assert!(FilterTerms(terms("--process curl").expect("ok")).show_process());
    assert!(!FilterTerms(terms("--port 80").expect("ok")).show_process());
    for line in [
        "--min-bytes some",
        "--min-bytes 1 --min-bytes 2",
        "--max-duration x",
    ] {
        assert!(build(&terms(line).expect(line)).is_err(), "{line}");
    }
    let yaml = raw_yaml(&build(&terms("--process curl").expect("ok")).expect("ok")).expect("ok");
    assert_eq!(
        yaml,
        "allowlist:\n    - '{}'\nallowlist_beyond_hubble:\n    - '{\"process\":[\"curl\"]}'\n"
    );
}
