//! The binary from outside: output, errors and exit codes.

mod config;
mod errors;
mod observe;
mod policy;
mod server;
mod status;

use std::process::Output;

use server::FakeServer;

const BINARY: &str = env!("CARGO_BIN_EXE_flowctl");

fn flowctl(args: &[&str]) -> Output {
    let mut command = assert_cmd::Command::new(BINARY);
    command
        .env_remove("FLOWD_SERVER")
        .env_remove("HUBBLE_SERVER")
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME")
        .env("NO_COLOR", "1");
    command.args(args).output().expect("it runs")
}

fn ask(server: &FakeServer, args: &[&str]) -> Output {
    let address = server.address();
    let args: Vec<&str> = args.iter().copied().chain(["--server", &address]).collect();
    flowctl(&args)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let line = err(output);
    assert_eq!(output.status.code(), Some(code), "{line}");
    for word in says {
        assert!(line.contains(word), "{word:?} is missing in {line:?}");
    }
}
