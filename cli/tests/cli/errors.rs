//! What can go wrong, the line it prints and the code it exits with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::server::{FakeServer, Kind};
use super::{BINARY, ask, assert_fails, err, flowctl, out};

#[test]
fn a_closed_pipe_ends_in_silence() {
    let server = FakeServer::start(Kind::Healthy);
    let mut child = Command::new(BINARY)
        .args(["observe", "-f", "--server", &server.address()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a line");
    assert!(first.contains("Policy denied DROPPED"), "{first}");
    drop(lines);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn a_missing_daemon_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("none.sock");
    let address = format!("unix://{}", socket.display());
    for command in [&["status"][..], &["observe"], &["list", "nodes"]] {
        let args: Vec<&str> = command
            .iter()
            .copied()
            .chain(["--server", &address])
            .collect();
        let output = flowctl(&args);
        assert_fails(
            &output,
            1,
            &["flowd is not running", "none.sock", "FLOWD_SERVER"],
        );
        assert_eq!(err(&output).lines().count(), 1);
    }
    // A socket file whose daemon is dead.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    let output = flowctl(&["status", "--server", &address]);
    assert_fails(&output, 1, &["flowd is not running"]);
}

#[test]
fn a_forbidden_socket_names_its_group() {
    let server = FakeServer::start(Kind::Healthy);
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("flowctl");
    fs::copy(BINARY, &binary).expect("copied");
    for open in [folder.path(), server.socket().parent().expect("its folder")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).expect("opened");
    }
    fs::set_permissions(server.socket(), fs::Permissions::from_mode(0o000)).expect("closed");
    let mut command = Command::new(&binary);
    // Nothing is forbidden to root, so root asks as nobody.
    if fs::metadata(folder.path()).expect("its folder").uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let gid = fs::metadata(server.socket()).expect("a socket").gid();
    let groups = fs::read_to_string("/etc/group").expect("groups");
    let group = groups
        .lines()
        .find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2)? == &gid.to_string()).then(|| fields[0].to_owned())
        })
        .unwrap_or_else(|| gid.to_string());
    let output = command
        .args(["status", "--server", &server.address()])
        .output()
        .expect("runs");
    assert_fails(
        &output,
        1,
        &["permission denied", &format!("join group {group} ")],
    );
    assert_eq!(err(&output).lines().count(), 1);
}

#[test]
fn wrong_arguments_exit_with_two() {
    for args in [
        &["observe", "--not"][..],
        &["observe", "--verdict", "MAYBE"],
        &["observe", "--port", "http"],
        &["observe", "--since", "yesterday"],
        &["observe", "-f", "-o", "table"],
        &["observe", "--first", "1", "--last", "1"],
        &["observe", "-P"],
        &["observe", "--basic-auth-username", "a"],
        &[
            "observe",
            "--server",
            "192.0.2.1:4245",
            "--basic-auth-username",
            "a",
            "--basic-auth-password",
            "b",
        ],
        &["observe", "--allowlist", "{\"source_podd\":[]}"],
        &["observe", "--server", "relay:port"],
        &["observe", "--timeout", "soon"],
        &["explain", "tired"],
        &["dance"],
    ] {
        let output = flowctl(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
        assert!(!err(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn what_the_server_refuses_is_told() {
    let server = FakeServer::start(Kind::Healthy);
    let output = ask(&server, &["observe", "--from-ip", "bad"]);
    assert_fails(&output, 1, &["bad is no address"]);
    // What came before the stream broke is printed.
    let output = ask(&server, &["observe", "--first", "3"]);
    assert_fails(&output, 1, &["the server has gone", "shutting down"]);
    assert_eq!(out(&output).lines().count(), 3);
}

#[test]
fn something_else_behind_the_socket_is_no_hang() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("mute.sock");
    let _mute = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let address = format!("unix://{}", socket.display());
    let output = flowctl(&["status", "--request-timeout", "200ms", "--server", &address]);
    assert_fails(&output, 1, &["in time", "--request-timeout"]);
}
