//! The commands: each asks, and prints the answer.

mod config;
mod connections;
mod events;
mod explain;
mod host;
mod input_file;
mod list;
mod merge;
mod mode;
mod observe;
mod policy;
mod quiet;
mod reflect;
mod request;
mod screen;
mod status;
mod top;
mod watch;
mod why;

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Cli, Command, ServerArgs, Watch};
use crate::client;
use crate::failure::Failure;

/// Runs a command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let server = cli.server;
    let several = matches!(
        cli.command,
        Command::Observe(_) | Command::Status { .. } | Command::List { .. }
    );
    server.check(several)?;
    match cli.command {
        Command::Observe(args) => asynchronously(observe::run(&server, &args)),
        Command::Connections(args) => asynchronously(connections::run(&server, &args)),
        Command::Top(args) => asynchronously(top::run(&server, &args)),
        Command::Status { output } => asynchronously(status::run(&server, output)),
        Command::List { what } => asynchronously(async {
            for one in server.each() {
                list::run(&one, what).await?;
            }
            Ok(())
        }),
        Command::Watch { what: Watch::Peers } => asynchronously(watch::peers(&server)),
        Command::Reflect => asynchronously(reflect::run(&server)),
        Command::Config { what } => config::run(&what),
        Command::Why(args) => asynchronously(why::run(&server, &args)),
        Command::Explain { reason } => explain::run(reason.as_deref()),
        Command::Mode(command) => asynchronously(mode::run(&server, &command)),
        Command::Policy(command) => policy::run(&server, &command),
        Command::Host(command) => asynchronously(host::run(&server, command)),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flowctl", &mut script);
            print(&script)
        }
        Command::Version => print(format!("flowctl {}\n", env!("CARGO_PKG_VERSION")).as_bytes()),
    }
}

fn asynchronously(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::Runtime(format!("cannot start: {error}")))?
        .block_on(work)
}

async fn channel(server: &ServerArgs) -> Result<client::Connection, Failure> {
    client::connect(server).await
}

/// The session this runs in, for the daemon to keep it (ssh(1)).
fn ssh_connection() -> String {
    std::env::var("SSH_CONNECTION").unwrap_or_default()
}

/// A request with the deadline of a single answer.
fn unary<T>(server: &ServerArgs, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(server.request_timeout);
    request
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(())
}

fn print_json<T: serde::Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::Runtime(format!("cannot print the answer: {error}")))?;
    text.push(b'\n');
    print(&text)
}
