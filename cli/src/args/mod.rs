//! The command line as it is typed. Names and meanings follow `hubble`.

pub mod aggregates;
pub mod filters;
mod flag_table;
pub mod flags;
mod host;
pub mod mode;
pub mod observe;
pub mod policy;
mod server;
pub mod time;
mod tls;
pub mod why;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use aggregates::{AggregateFormat, AggregateOutput, ConnectionsArgs, TopArgs};
pub use filters::{FilterTerms, Term};
pub use flags::{Field, Side};
pub use host::{BreakGlassArgs, HostCommand, Switch};
pub use mode::ModeCommand;
pub use observe::ObserveArgs;
pub use policy::{
    ApplyArgs, DiffArgs, PolicyCommand, TestArgs, TestOutput, ValidateArgs, ValidateOutput,
};
pub use server::{DEFAULT_SERVER, ServerArgs};
pub use tls::TlsArgs;
pub use why::{WhyArgs, WhyOutput};

/// Shows the flows flowd sees, what became of each, and why.
#[derive(Debug, Parser)]
#[command(name = "flowctl", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Which server to ask.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Configuration file of flowctl
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Start here:
  flowctl status                     is everything guarded, is every verdict accounted for
  flowctl observe -f                 follow all flows
  flowctl observe --verdict DROPPED  the last 20 drops, and the policy behind each
  flowctl top                        who moves most, now
  flowctl connections                what is open, how long, whose
  flowctl why SRC DST TCP/5432       which rule decided, and what would change it
  flowctl explain                    what each drop reason means and what to do";

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
    /// Show the connections that are open now
    ///
    /// From the kernel's own table: ends, state, age, bytes both ways, process, and the rule that let
    /// it pass.
    #[command(visible_alias = "conns", after_help = aggregates::CONNECTIONS_EXAMPLES)]
    Connections(Box<ConnectionsArgs>),
    /// Show who moves most: bytes, packets, flows or drops by any grouping
    ///
    /// On a terminal the screen is refreshed until ctrl-C; elsewhere, with --once and with -o json or
    /// csv, it prints one table. Exits with 3 if flows were lost inside the window.
    #[command(after_help = aggregates::TOP_EXAMPLES)]
    Top(Box<TopArgs>),
    /// Tell why a flow was allowed or denied, or would be, and what would change it
    ///
    /// Asked by source, destination and PROTOCOL/PORT, it answers from the newest such flow; when
    /// there is none, from the policies in force.
    #[command(after_help = why::EXAMPLES)]
    Why(WhyArgs),
    /// Explain why packets are dropped: one reason, or all of them
    ///
    /// Takes flowd's name of a reason, Hubble's name or number, or one of the kernel's such as NO_SOCKET.
    /// Needs no server.
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
    /// Show what a server goes on telling
    #[command(hide = true)]
    Watch {
        /// What to watch
        #[command(subcommand)]
        what: Watch,
    },
    /// List the services a server offers
    #[command(hide = true)]
    Reflect,
    /// Read and write the configuration file of flowctl
    ///
    /// A flag wins over its environment variable (FLOWD_… or HUBBLE_…), that over the file, that over
    /// the default. The file is the first there is of $XDG_CONFIG_HOME/flowctl/config.yaml,
    /// ~/.flowctl/config.yaml, $XDG_CONFIG_HOME/hubble/config.yaml and ~/.hubble/config.yaml, or the one
    /// named by --config or FLOWCTL_CONFIG.
    Config {
        /// What to do with it
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// See to this node's own policies
    #[command(subcommand)]
    Host(HostCommand),
    /// Enforce, audit or leave alone: by namespace and by endpoint, kept over restarts
    #[command(subcommand)]
    Mode(ModeCommand),
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

/// What can be watched.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Watch {
    /// Nodes that come and go, as a relay sees them
    Peers,
}

/// What can be done with the configuration file.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print one value that is in force, with where it comes from
    Get {
        /// Such as server or tls-ca-cert-files
        key: String,
    },
    /// Write a value to the file; without one, an empty one
    Set {
        /// Such as server or tls-ca-cert-files
        key: String,
        /// The value; lists are joined by commas
        value: Option<String>,
    },
    /// Take a value out of the file, or all of them
    Reset {
        /// Such as server; all when it is left out
        key: Option<String>,
    },
    /// Print all values that are in force
    View,
}

/// How to print the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people.
    #[default]
    Compact,
    /// Key and value on each line.
    Dict,
    /// For programs.
    Json,
    /// Aligned columns, a line for each server.
    Table,
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
