//! Values from the environment and the configuration file, and `config`.

use std::fs;

use super::server::{FakeServer, Kind};
use super::{BINARY, assert_fails, out};

/// Runs flowctl with a home of its own.
fn at_home(
    home: &std::path::Path,
    variables: &[(&str, &str)],
    args: &[&str],
) -> std::process::Output {
    let mut command = assert_cmd::Command::new(BINARY);
    command
        .env_remove("FLOWD_SERVER")
        .env_remove("HUBBLE_SERVER")
        .env_remove("XDG_CONFIG_HOME")
        .env("NO_COLOR", "1")
        .env("HOME", home);
    command.envs(variables.iter().copied());
    command.args(args).output().expect("it runs")
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let home = tempfile::tempdir().expect("a folder");
    let server = FakeServer::start(Kind::Healthy);
    let address = server.address();
    let set = at_home(home.path(), &[], &["config", "set", "server", &address]);
    assert!(set.status.success(), "{set:?}");
    let last = ["observe", "--last", "1"];
    let ok = |variables: &[(&str, &str)], args: &[&str]| {
        at_home(home.path(), variables, args).status.code()
    };
    assert_eq!(ok(&[], &last), Some(0), "the file names the server");
    let nowhere = [("HUBBLE_SERVER", "unix:///nowhere")];
    assert_eq!(ok(&nowhere, &last), Some(1), "the environment wins");
    let flag = ["observe", "--last", "1", "--server", &address];
    assert_eq!(ok(&nowhere, &flag), Some(0), "the flag wins");
    let flowd_first = [
        ("HUBBLE_SERVER", "unix:///nowhere"),
        ("FLOWD_SERVER", &*address),
    ];
    assert_eq!(ok(&flowd_first, &last), Some(0));
}

#[test]
fn every_key_can_be_set_read_and_taken_back() {
    let home = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| at_home(home.path(), &[], args);
    assert!(
        run(&["config", "set", "print-node-name", "true"])
            .status
            .success()
    );
    assert!(
        run(&["config", "set", "tls-ca-cert-files", "a.pem,b.pem"])
            .status
            .success()
    );
    let file = home.path().join(".config/flowctl/config.yaml");
    assert_eq!(
        fs::read_to_string(&file).expect("written"),
        "print-node-name: \"true\"\ntls-ca-cert-files: [\"a.pem\",\"b.pem\"]\n"
    );
    assert_eq!(
        out(&run(&["config", "get", "tls-ca-cert-files"])),
        "a.pem,b.pem\n"
    );
    let view = out(&run(&["config", "view"]));
    assert!(view.contains("print-node-name: true  # file\n"), "{view}");
    assert!(
        run(&["config", "reset", "print-node-name"])
            .status
            .success()
    );
    assert_fails(&run(&["config", "get", "print-node-name"]), 1, &["neither"]);
    assert!(run(&["config", "reset"]).status.success());
    assert_eq!(fs::read_to_string(&file).expect("there"), "");
    assert_fails(
        &run(&["config", "set", "verdict", "DROPPED"]),
        2,
        &["no key", "server"],
    );
}

#[test]
fn switches_and_lists_come_from_the_environment_too() {
    let home = tempfile::tempdir().expect("a folder");
    let server = FakeServer::start(Kind::Healthy);
    let address = server.address();
    let ask = |variables: &[(&str, &str)]| {
        let args = ["observe", "--last", "1", "--server", &address];
        out(&at_home(home.path(), variables, &args))
    };
    assert!(ask(&[("HUBBLE_PRINT_NODE_NAME", "1")]).contains(" [k8s1]: "));
    assert!(!ask(&[("HUBBLE_PRINT_NODE_NAME", "false")]).contains(" [k8s1]: "));
    let json = |variables: &[(&str, &str)]| {
        let args = ["observe", "--last", "1", "-o", "json", "--server", &address];
        let text = out(&at_home(home.path(), variables, &args));
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    assert_eq!(json(&[])["flow"]["uuid"], "flow-0");
    assert_eq!(
        json(&[("HUBBLE_COMPAT", "legacy-json-output")])["uuid"],
        "flow-0"
    );
    let printed = at_home(
        home.path(),
        &[("HUBBLE_ALLOWLIST", r#"{"source_pod":["a/","b/"]}"#)],
        &["observe", "--print-raw-filters"],
    );
    assert_eq!(
        out(&printed),
        "allowlist:\n    - '{\"source_pod\":[\"a/\",\"b/\"]}'\n"
    );
}

#[test]
fn a_broken_file_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("flowctl.yaml");
    let path = file.to_str().expect("text");
    for (text, says) in [
        ("servr: x\n", "\"servr\" is no key"),
        ("server: [\n", "flowctl.yaml"),
        ("server: {a: b}\n", "no map belongs here"),
    ] {
        fs::write(&file, text).expect("written");
        let output = at_home(home.path(), &[], &["version", "--config", path]);
        assert_fails(&output, 2, &[says, path]);
    }
    let output = at_home(home.path(), &[], &["version", "--config", "/nowhere.yaml"]);
    assert_fails(&output, 2, &["/nowhere.yaml"]);
    // What hubble wrote for itself alone does no harm.
    fs::write(&file, "kube-namespace: kube-system\ntimeout: 3s\n").expect("written");
    assert!(
        at_home(home.path(), &[], &["version", "--config", path])
            .status
            .success()
    );
}
