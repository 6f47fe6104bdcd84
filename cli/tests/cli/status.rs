//! `status` and `list`.

use super::server::{FakeServer, Kind};
use super::{ask, err, out};

#[test]
fn status_tells_health_by_exit_code() {
    let server = FakeServer::start(Kind::Healthy);
    let output = ask(&server, &["status"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(
        out(&output),
        "flowd 0.1.0 on k8s1, up 3m 2s: healthy

Endpoints: 1 of 1 protected
  ENDPOINT   IDENTITY   INTERFACE   STATE       MODE      ENFORCED   GENERATION   POLICIES
  shop/db    256        veth1       protected   enforce   ingress    4            CiliumNetworkPolicy/shop/db

Policies: 1 of 1 enforced
  POLICY    KIND                  ENDPOINTS   STATE      HITS    LAST HIT              WRITTEN IN
  shop/db   CiliumNetworkPolicy   1           enforced   1,200   Nov 14 22:13:20.000   db.yaml:1

Ledger: balanced (packets = told + coalesced + deferred)
  VERDICT   REASON           DIRECTION   PACKETS   BYTES      TOLD   COALESCED   DEFERRED   RECOVERED
  DROPPED   default_denied   ingress     1,200     86.7 KiB   3      1,197       0          0
  Received: 0 events, 0 drops; still to tell: 0
  lost before told: 0; undecodable: 0
  Flow log: 3/4,096 (0.07%), from flow 0 to before 3

Tracked: 10 connections, 0 denied flows
"
    );
    let json: serde_json::Value =
        serde_json::from_str(&out(&ask(&server, &["status", "-o", "json"]))).expect("JSON");
    assert_eq!(json["ledger"]["rows"][0]["packets"], "1200");
    assert_eq!(json["uptime"], "182s");
}

#[test]
fn a_sick_daemon_exits_with_one() {
    let server = FakeServer::start(Kind::Sick);
    let output = ask(&server, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "");
    for line in [
        "NOT HEALTHY\n  endpoint shop/db is not protected\n",
        "Endpoints: 0 of 1 protected\n",
        "  3→4  ",
        "  shop/db: no such device\n",
        "Policies: 0 of 1 enforced\n",
        "  db.yaml:1: unknown field\n",
        "Ledger: NOT BALANCED",
        "shed: follower 1\n",
    ] {
        assert!(
            out(&output).contains(line),
            "{line:?} is missing in\n{}",
            out(&output)
        );
    }
    assert_eq!(
        ask(&server, &["status", "-o", "json"]).status.code(),
        Some(1)
    );
}

#[test]
fn a_hubble_server_is_asked_in_its_own_words() {
    let server = FakeServer::start(Kind::Hubble);
    let output = ask(&server, &["status"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(
        out(&output),
        format!(
            "Healthcheck (via {}): Ok\nCurrent/Max Flows: 2,031/4,095 (49.60%)\nFlows/s: 23.46\n",
            server.address()
        )
    );
    let dict = out(&ask(&server, &["status", "-o", "dict"]));
    assert!(
        dict.contains("CURRENT/MAX FLOWS: 2,031/4,095 (49.60%)\n"),
        "{dict}"
    );
}

#[test]
fn several_servers_are_lines_of_one_table() {
    let (healthy, sick) = (
        FakeServer::start(Kind::Healthy),
        FakeServer::start(Kind::Sick),
    );
    let (first, second) = (healthy.address(), sick.address());
    let output = ask(&healthy, &["status", "--server", &second, "-o", "table"]);
    assert_eq!(output.status.code(), Some(1), "one of them is sick");
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("SERVER "), "{text}");
    assert!(
        lines[1].starts_with(&second) && lines[1].contains("NOT HEALTHY"),
        "{text}"
    );
    assert!(
        lines[2].starts_with(&first) && lines[2].contains("  Ok  "),
        "{text}"
    );
}

#[test]
fn lists() {
    let server = FakeServer::start(Kind::Healthy);
    let nodes = out(&ask(&server, &["list", "nodes"]));
    assert!(
        nodes
            .lines()
            .nth(1)
            .expect("a node")
            .starts_with("k8s1   Connected"),
        "{nodes}"
    );
    assert_eq!(
        out(&ask(&server, &["list", "namespaces"])),
        "NAMESPACE\nshop\n"
    );
    let second = FakeServer::start(Kind::Hubble);
    let both = ["list", "namespaces", "--server", &second.address()];
    assert_eq!(
        out(&ask(&server, &both)),
        "NAMESPACE\nshop\nNAMESPACE\nshop\n",
        "each server is asked"
    );
    let json = out(&ask(&server, &["list", "namespaces", "-o", "json"]));
    assert!(json.contains("\"namespace\": \"shop\""), "{json}");
}
