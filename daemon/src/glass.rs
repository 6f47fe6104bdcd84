//! `flowd break-glass`: puts policies for this node out of force where no daemon answers, or back.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::{
    clock::realtime,
    host::BreakGlass,
    kernel::{
        bpffs::{Lock, Pins},
        host,
    },
};

/// Which way, and where the daemon's state and pins are.
#[derive(Args, Clone, Debug)]
pub struct GlassFlags {
    /// on: policies for this node judge nothing, also after restarts; off: they are in force.
    pub switch: Switch,
    /// Directory of what survives a restart.
    #[arg(
        long,
        env = "FLOWD_STATE",
        value_name = "DIR",
        default_value = "/var/lib/flowd"
    )]
    pub state: PathBuf,
    /// Directory on a bpffs where programs and tables are pinned.
    #[arg(
        long,
        env = "FLOWD_BPFFS",
        value_name = "DIR",
        default_value = "/sys/fs/bpf/flowd"
    )]
    pub bpffs: PathBuf,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Policies for this node judge nothing.
    On,
    /// They are in force.
    Off,
}

/// Switches. A daemon that runs finds the switch at its next look.
///
/// # Errors
///
/// When the switch cannot be set.
pub fn run(flags: &GlassFlags) -> anyhow::Result<()> {
    let glass = BreakGlass::in_state(&flags.state);
    let file = || format!("{}", glass.path().display());
    match flags.switch {
        Switch::On => {
            glass.smash(realtime() / 1_000_000_000).with_context(file)?;
            let pins = Pins::at(&flags.bpffs);
            let devices = host::switch_off(&pins).context("the pinned table")?;
            println!("break-glass is ON: policies for this node judge nothing ({devices} devices)");
        }
        Switch::Off => {
            glass.mend().with_context(file)?;
            // What was opened meanwhile is to be learned before anything is judged, which a daemon does.
            let runs = flags.bpffs.exists() && Lock::take(&flags.bpffs).is_err();
            println!(
                "break-glass is off: policies for this node are in force {}",
                if runs {
                    "as soon as the daemon has looked, within seconds"
                } else {
                    "as soon as flowd runs; until then nothing is judged"
                }
            );
        }
    }
    Ok(())
}
