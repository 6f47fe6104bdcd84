//! `flowctl policy test --live`: the program that tries cases with real packets is the testbed's, which
//! flowctl does not carry with it.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::files::expand;
use crate::args::{TestArgs, TestOutput};
use crate::failure::Failure;

/// Name of the program.
const PROGRAM: &str = "flowd-policy-live";

/// Runs it; the files have been read and are without a mistake.
pub(super) fn run(args: &TestArgs) -> Result<(), Failure> {
    let mut command = Command::new(program());
    command.arg("--policies").args(expand(&args.policies)?);
    command.arg("--world").arg(&args.world);
    command.arg("--cases").args(&args.cases);
    command.arg("--output").arg(match args.output {
        TestOutput::Table => "table",
        TestOutput::Json => "json",
    });
    let status = command.status().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Failure::Runtime(format!(
                "--live needs the program {PROGRAM} beside flowctl or in PATH: build it with \
                 `cargo build --release -p flowd-testbed`, or leave --live out"
            ));
        }
        Failure::Runtime(format!("{PROGRAM}: {error}"))
    })?;
    if status.success() {
        Ok(())
    } else {
        // It has said why.
        Err(Failure::Unhealthy)
    }
}

/// Beside flowctl, or else wherever PATH leads.
fn program() -> PathBuf {
    let beside = env::current_exe().ok().and_then(|own| {
        let beside = own.parent()?.join(PROGRAM);
        beside.is_file().then_some(beside)
    });
    beside.unwrap_or_else(|| PathBuf::from(PROGRAM))
}
