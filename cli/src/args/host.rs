//! `flowctl host`: policies for the node itself.

use clap::{Args, Subcommand, ValueEnum};

/// What can be done about the node's own policies.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum HostCommand {
    /// Put all policies for this node out of force at once, or back in force
    ///
    /// Breaking the glass is for the moment in which a policy has cut you off: nothing to or from
    /// the node is judged until it is switched off again, over restarts of the daemon and of the
    /// machine. Where the daemon is dead, `flowd break-glass on` on the node does the same.
    BreakGlass(BreakGlassArgs),
}

/// Which way.
#[derive(Args, Clone, Copy, Debug)]
pub struct BreakGlassArgs {
    /// on, off, or only tell
    #[arg(value_enum, default_value_t)]
    pub switch: Switch,
}

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Policies for this node judge nothing.
    On,
    /// They are in force.
    Off,
    /// Tells which it is.
    #[default]
    Status,
}
