//! `flowctl`: shows what flowd sees and does.

use std::process::ExitCode;

use clap::Parser;
use flowctl::args::Cli;
use flowctl::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                // With stderr closed there is nobody left to tell.
                let _ = std::io::Write::write_fmt(
                    &mut std::io::stderr(),
                    format_args!("flowctl: {line}\n"),
                );
            }
            failure.exit_code()
        }
    }
}
