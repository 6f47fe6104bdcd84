//! The command line as it is typed. Names and meanings follow `hubble`.

pub mod filters;
mod flag_table;
pub mod flags;
pub mod observe;
pub mod policy;
pub mod time;
mod tls;
pub mod why;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use filters::{FilterTerms, Term};
pub use flags::{Field, Side};
pub use observe::ObserveArgs;
pub use policy::{ApplyArgs, PolicyCommand, TestArgs, TestOutput, ValidateArgs, ValidateOutput};
pub use tls::TlsArgs;
pub use why::WhyArgs;

/// Where flowd listens by default.
pub const DEFAULT_SERVER: &str = "unix:///run/flowd/flowd.sock";

/// Shows the flows flowd sees, what became of each, and why.
#[derive(Debug, Parser)]
#[command(name = "flowctl", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Which server to ask.
    #[command(flatten)]
    pub server: ServerArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Start here:
  flowctl status                     is everything guarded, is every verdict accounted for
  flowctl observe -f                 follow all flows
  flowctl observe --verdict DROPPED  the last 20 drops, and the policy behind each
  flowctl why SRC DST TCP/5432       which rule decided, and what would change it
  flowctl explain                    what each drop reason means and what to do";

/// Options of every command that asks a server.
#[derive(Args, Debug)]
pub struct ServerArgs {
    /// Server: unix:///path, host:port for plain TCP, tls://host:port. Also taken from HUBBLE_SERVER
    /// [default: unix:///run/flowd/flowd.sock]
    #[arg(long, global = true, env = "FLOWD_SERVER", help_heading = "Server")]
    server: Option<String>,
    /// How long to wait for a connection and for a single answer
    #[arg(long, global = true, value_parser = time::go_duration, default_value = "5s",
          help_heading = "Server")]
    pub timeout: Duration,
    /// How the connection is secured.
    #[command(flatten)]
    pub tls: TlsArgs,
}

impl ServerArgs {
    /// The address: flag, then FLOWD_SERVER, then HUBBLE_SERVER, then the default.
    pub fn address(&self) -> String {
        let of_hubble = || {
            std::env::var("HUBBLE_SERVER")
                .ok()
                .filter(|server| !server.is_empty())
        };
        self.server
            .clone()
            .or_else(of_hubble)
            .unwrap_or_else(|| DEFAULT_SERVER.to_owned())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show flows: the last ones, or those to come
    #[command(visible_alias = "flows", after_help = observe::EXAMPLES)]
    Observe(Box<ObserveArgs>),
    /// Show health, guarded endpoints, policies and the ledger of verdicts
    ///
    /// Exits with 1 if something is wrong. Asked of a Hubble server, shows what Hubble knows.
    Status {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        output: StatusOutput,
    },
    /// Tell why a flow was allowed or denied, or would be, and what would change it
    ///
    /// Asked by source, destination and PROTOCOL/PORT, it answers from the newest such flow; when
    /// there is none, from the policies in force.
    #[command(after_help = why::EXAMPLES)]
    Why(WhyArgs),
    /// Explain why packets are dropped: one reason, or all of them
    ///
    /// Takes flowd's name of a reason, Hubble's name, or Hubble's number. Needs no server.
    Explain {
        /// Such as default_denied, POLICY_DENIED or 133
        reason: Option<String>,
    },
    /// List what the server knows of
    List {
        /// What to list
        #[command(subcommand)]
        what: List,
    },
    /// Check and try policy files without a daemon; apply, confirm, list and delete them with one
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a completion script for a shell
    ///
    /// For bash: source <(flowctl completion bash)
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    Version,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum List {
    /// Nodes that serve flows
    #[command(visible_alias = "node")]
    Nodes {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        output: ListOutput,
    },
    /// Namespaces seen in flows
    Namespaces {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        output: ListOutput,
    },
}

/// How to print the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Compact,
    /// For programs.
    Json,
}

/// How to print a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    /// Aligned columns.
    #[default]
    Table,
    /// More of them.
    Wide,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
