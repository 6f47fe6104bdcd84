//! flowd: the flow service that enforces.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use flowd::{
    app::App,
    capabilities,
    config::{Config, Flags},
    detach::{self, DetachFlags},
    doctor,
    glass::{self, GlassFlags},
    logging,
};

/// Decides on every packet of the workloads it guards, and tells every verdict.
#[derive(Parser)]
#[command(name = "flowd", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Guard the workloads the endpoint files name, until told to stop. Enforcement stays when the
    /// daemon goes.
    Run(Box<Flags>),
    /// Undo everything: programs, tables and pins. Workloads are no longer guarded.
    Detach(DetachFlags),
    /// Put policies for this node out of force where no daemon answers, or back in force.
    BreakGlass(GlassFlags),
    /// Say what this host and this user can do.
    Doctor(DetachFlags),
}

/// Exit codes: 1 failed, 2 bad arguments (clap), 78 bad configuration (sysexits.h, EX_CONFIG).
fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(flags) => match Config::load(*flags) {
            Ok(config) => run(config),
            Err(error) => {
                eprintln!("flowd: {error}");
                return ExitCode::from(78);
            }
        },
        Command::Detach(flags) => detach::run(&flags),
        Command::BreakGlass(flags) => glass::run(&flags),
        Command::Doctor(flags) => return doctor::run(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flowd: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    logging::start(&config);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        abi = flowd_abi::ABI_VERSION,
        "flowd"
    );
    // Giving the socket to a group that its user is not in takes a capability of its own.
    let also = config
        .socket_group
        .iter()
        .map(|_| caps::Capability::CAP_CHOWN);
    capabilities::keep_needed(&also.collect::<Vec<_>>())?;
    let app = App::start(config)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(app.serve())?;
    tracing::info!("stopped");
    Ok(())
}

/// An error and its causes, without those that the one before has named already.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::io::Error::other("no room");
        let error = anyhow::Error::new(cause).context("a: no room").context("b");
        assert_eq!(told(&error), "b: a: no room");
        let error = anyhow::Error::msg("no room").context("a");
        assert_eq!(told(&error), "a: no room");
    }
}
