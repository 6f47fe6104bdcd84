//! The commands: each asks, and prints the answer.

mod events;
mod explain;
mod input_file;
mod list;
mod observe;
mod policy;
mod request;
mod status;
mod why;

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Cli, Command, ServerArgs};
use crate::client;
use crate::failure::Failure;

/// Runs a command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let server = cli.server;
    match cli.command {
        Command::Observe(args) => asynchronously(observe::run(&server, &args)),
        Command::Status { output } => asynchronously(status::run(&server, output)),
        Command::List { what } => asynchronously(list::run(&server, what)),
        Command::Why(args) => asynchronously(why::run(&server, &args)),
        Command::Explain { reason } => explain::run(reason.as_deref()),
        Command::Policy(command) => policy::run(&server, &command),
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

/// A request with the deadline of a single answer.
fn unary<T>(server: &ServerArgs, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(server.timeout);
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
