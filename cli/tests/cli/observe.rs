//! `observe`, and the commands that need no server.

use std::io::Write;

use super::server::{FakeServer, Kind};
use super::{BINARY, ask, assert_fails, err, flowctl, out};

#[test]
fn observe_prints_the_last_twenty() {
    let server = FakeServer::start(Kind::Healthy);
    let output = ask(&server, &["observe"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert_eq!(text.lines().count(), 20);
    assert_eq!(
        text.lines().next(),
        Some(
            "Nov 14 22:13:20.000: 10.0.0.1 (unknown) -> 10.0.0.2 (unknown) Policy denied DROPPED \
             (ICMPv4 EchoRequest)"
        )
    );
    let json = out(&ask(&server, &["observe", "--last", "2", "-o", "json"]));
    let second: serde_json::Value =
        serde_json::from_str(json.lines().nth(1).expect("two")).expect("JSON");
    assert_eq!(second["flow"]["uuid"], "flow-1");
}

#[test]
fn the_server_is_named_by_flag_then_flowd_then_hubble() {
    let server = FakeServer::start(Kind::Healthy);
    let lines = |flowd: &str, hubble: &str| {
        let mut command = assert_cmd::Command::new(BINARY);
        command
            .env("FLOWD_SERVER", flowd)
            .env("HUBBLE_SERVER", hubble);
        command
            .args(["observe", "--last", "1"])
            .output()
            .expect("it runs")
            .status
            .code()
    };
    assert_eq!(lines(&server.address(), "unix:///nowhere"), Some(0));
    assert_eq!(lines("unix:///nowhere", &server.address()), Some(1));
    let mut command = assert_cmd::Command::new(BINARY);
    command
        .env_remove("FLOWD_SERVER")
        .env("HUBBLE_SERVER", server.address());
    command.args(["observe", "--last", "1"]).assert().success();
}

#[test]
fn the_answers_of_several_servers_are_one_in_order() {
    let (left, right) = (
        FakeServer::start(Kind::Healthy),
        FakeServer::start(Kind::Hubble),
    );
    let second = right.address();
    let output = ask(&left, &["observe", "-o", "json", "--server", &second]);
    assert!(output.status.success(), "{}", err(&output));
    let times: Vec<jiff::Timestamp> = out(&output)
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let time = value["time"].as_str().expect("a time");
            time.parse().expect("RFC 3339")
        })
        .collect();
    assert_eq!(times.len(), 40);
    assert!(times.is_sorted(), "{times:?}");
    let gone = ask(&left, &["observe", "--server", "unix:///nowhere"]);
    assert_eq!(
        out(&gone).lines().count(),
        20,
        "the other one still answers"
    );
    assert_fails(&gone, 1, &["unix:///nowhere", "not running"]);
    assert_fails(
        &ask(&left, &["why", "u", "--server", &second]),
        2,
        &["one server"],
    );
}

#[test]
fn debug_tells_what_is_asked_of_whom() {
    let server = FakeServer::start(Kind::Healthy);
    let output = ask(&server, &["observe", "-D", "--verdict", "DROPPED"]);
    assert!(output.status.success());
    let told = err(&output);
    assert!(told.contains(&server.address()), "{told}");
    assert!(
        told.contains(r#""whitelist":[{"verdict":["DROPPED"]}]"#),
        "{told}"
    );
}

#[test]
fn flows_lost_inside_the_answer_are_exit_code_three() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(
        b"{\"flow\":{\"uuid\":\"a\"}}\n{\"lost_events\":{\"source\":\"HUBBLE_RING_BUFFER\",\"num_events_lost\":\"7\"}}\n",
    )
    .expect("ok");
    let path = file.path().to_str().expect("text");
    let output = flowctl(&["observe", "--input-file", path]);
    assert_fails(&output, 3, &["7 flows were lost"]);
    assert_eq!(out(&output).lines().count(), 2);
}

#[test]
fn files_are_read_without_a_server() {
    let server = FakeServer::start(Kind::Healthy);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&ask(&server, &["observe", "--last", "9", "-o", "json"]).stdout)
        .expect("ok");
    drop(server);
    let path = file.path().to_str().expect("text").to_owned();
    let read = |args: &[&str]| {
        let args: Vec<&str> = ["observe", "--input-file", &path]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        flowctl(&args)
    };
    assert_eq!(out(&read(&[])).lines().count(), 9);
    let last = out(&read(&["--last", "2", "-o", "json"]));
    assert!(
        last.lines().next().expect("two").contains("\"flow-7\""),
        "{last}"
    );
    let first = out(&read(&["--first", "2", "-o", "json"]));
    assert_eq!(first.lines().count(), 2);
    assert!(first.contains("\"flow-0\""), "{first}");
    assert_eq!(out(&read(&["--until", "2001-01-01"])), "");
    assert_eq!(out(&read(&["--since", "2001-01-01"])).lines().count(), 9);
    assert_eq!(out(&read(&["--verdict", "DROPPED"])).lines().count(), 9);
    assert_eq!(out(&read(&["--verdict", "FORWARDED"])), "");
    let masked = out(&read(&[
        "--last",
        "1",
        "-o",
        "json",
        "--field-mask",
        "uuid",
    ]));
    assert_eq!(masked, "{\"flow\":{\"uuid\":\"flow-8\"}}\n");
    assert_fails(
        &read(&["--cel-expression", "true"]),
        2,
        &["--cel-expression", "server"],
    );

    file.write_all(b"{\"flow\":{\"mood\":1,\"uuid\":\"new\"}}\n{\"flow\":3}\n")
        .expect("ok");
    let output = read(&["-o", "json"]);
    assert_fails(
        &output,
        1,
        &["10: field \"flow.mood\" is not known", ":11: "],
    );
    assert_eq!(
        out(&output).lines().count(),
        10,
        "what could be read is printed"
    );
}

#[test]
fn filters_can_be_printed_instead_of_sent() {
    let output = flowctl(&[
        "observe",
        "--print-raw-filters",
        "-n",
        "shop",
        "--not",
        "--to-port",
        "53",
    ]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(
        out(&output),
        "allowlist:
    - '{\"source_pod\":[\"shop/\"]}'
    - '{\"destination_pod\":[\"shop/\"]}'
denylist:
    - '{\"destination_port\":[\"53\"]}'
"
    );
}

#[test]
fn help_completion_version_and_explain_need_no_server() {
    let all = out(&flowctl(&["explain"]));
    assert!(
        all.contains("default_denied  (Hubble: POLICY_DENIED, 133)\n"),
        "{all}"
    );
    let one = out(&flowctl(&["explain", "181"]));
    assert!(
        one.starts_with("rule_denied  (Hubble: POLICY_DENY, 181)\n"),
        "{one}"
    );
    assert_eq!(
        out(&flowctl(&["version"])),
        format!("flowctl {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            out(&flowctl(&["completion", shell])).contains("drop-reason-desc"),
            "{shell}"
        );
    }
    let help = out(&flowctl(&["observe", "--help"]));
    for part in [
        "Examples:",
        "--from-pod",
        "--not",
        "--field-mask",
        "--follow",
    ] {
        assert!(help.contains(part), "{part} is missing in the help");
    }
}

#[test]
fn a_server_that_cannot_choose_by_what_is_asked_is_no_answer() {
    let server = FakeServer::start(Kind::Hubble);
    for args in [
        &["observe", "--process", "curl"][..],
        &["observe", "--min-bytes", "1k"],
        &["observe", "--not", "--process", "curl"],
        &["observe", "--shadow", "any"],
    ] {
        let output = ask(&server, args);
        assert_fails(&output, 1, &["no flowd"]);
        assert_eq!(out(&output), "");
    }
    assert!(ask(&server, &["observe", "--process"]).status.success());
    assert_fails(
        &ask(&server, &["top", "--once"]),
        1,
        &["does not offer this"],
    );
}
