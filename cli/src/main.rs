//! `flowctl`: shows what flowd sees and does.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use flowctl::args::Cli;
use flowctl::commands;
use flowctl::failure::Failure;
use flowctl::settings::Settings;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    match Settings::load(&typed).and_then(|settings| run(&settings)) {
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

fn run(settings: &Settings) -> Result<(), Failure> {
    let matches = settings.apply(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    commands::run(cli)
}
