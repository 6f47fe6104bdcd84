//! `flowctl mode`: what is done with denials, by namespace and by endpoint.

use clap::{Subcommand, ValueEnum};

use super::TestOutput;

const EXAMPLES: &str = "\
Examples:
  flowctl mode set namespace/shop audit    tell what would be dropped in it, and drop nothing
  flowctl observe -f --verdict AUDIT       what that is
  flowctl mode set namespace/shop enforce  it is right: drop it
  flowctl mode clear namespace/shop        what files say counts again";

/// What can be done with modes.
#[derive(Debug, Subcommand)]
pub enum ModeCommand {
    /// Set the mode of a namespace or of one endpoint
    ///
    /// An endpoint's own mode, set here or in its file, beats that of its namespace. Kept over
    /// restarts until it is cleared.
    #[command(after_help = EXAMPLES)]
    Set {
        /// namespace/NAMESPACE or endpoint/NAMESPACE/NAME
        target: String,
        /// What is done with denials
        #[arg(value_enum)]
        mode: ModeArg,
    },
    /// Forget the mode that was set for a namespace or an endpoint
    Clear {
        /// namespace/NAMESPACE or endpoint/NAMESPACE/NAME
        target: String,
    },
    /// List the modes that were set; `flowctl status` shows the one each endpoint has
    List {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        output: TestOutput,
    },
}

/// What is done with denials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// They are enforced
    Enforce,
    /// They are told, not enforced
    Audit,
    /// Nothing is judged
    Off,
}

impl ModeArg {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }
}
