//! `flowctl policy test --live`: the cases with real packets and the real programs. Run by flowctl, which
//! has checked the files and listed those of directories.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use flowd_policy::cases::Case;
use flowd_testbed::binary;
use flowd_testbed::cases::{LiveAnswer, LiveCases};

/// Tries cases of policies with real packets, in network namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "flowd-policy-live", version)]
struct Arguments {
    /// Files of policies
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The file that says who there is
    #[arg(long, value_name = "FILE")]
    world: PathBuf,
    /// Files of cases
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    cases: Vec<PathBuf>,
    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a case.
    #[default]
    Table,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // With stderr closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "policy test --live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every case that was tried agrees, and does what it expects.
fn run(arguments: &Arguments) -> Result<bool> {
    let text =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
    let texts: Vec<String> = arguments.policies.iter().map(text).collect::<Result<_>>()?;
    let mut cases = Vec::new();
    for path in &arguments.cases {
        let name = path.display().to_string();
        let read = Case::read(&name, &text(path)?);
        cases.extend(read.map_err(|errors| anyhow!("{name} has {} mistakes", errors.len()))?);
    }
    let directory = tempfile::tempdir()?;
    let world = text(&arguments.world)?;
    let mut live = LiveCases::open(&binary("flowd")?, directory.path(), &world, &cases)?;
    let answers = live.try_all("policies.yaml", &texts.join("\n---\n"), &cases)?;
    let mut out = io::stdout().lock();
    match arguments.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&answers)?)?,
        Output::Table => {
            for answer in &answers {
                writeln!(out, "{}", line(answer))?;
            }
        }
    }
    let tried = answers.iter().filter_map(|answer| answer.live.as_ref());
    let (tried, differ) = tried.fold((0, 0), |(tried, differ), live| {
        (tried + 1, differ + usize::from(!live.agree))
    });
    let unexpected = cases.iter().zip(&answers);
    let unexpected =
        unexpected.filter(|(case, answer)| !answer.offline.differences(case).is_empty());
    let unexpected = unexpected.count();
    writeln!(
        io::stderr(),
        "{} cases: {tried} tried on the wire, {differ} differ from the policies, {unexpected} from what \
         they expect, {} cannot be tried here",
        answers.len(),
        answers.len() - tried
    )?;
    Ok(differ == 0 && unexpected == 0)
}

fn line(answer: &LiveAnswer) -> String {
    let word = |allowed| if allowed { "allowed" } else { "denied" };
    let offline = word(answer.offline.allowed);
    let id = &answer.offline.id;
    match (&answer.live, &answer.skipped) {
        (Some(live), _) if live.agree => format!("{id}: {offline}, on the wire as well"),
        (Some(live), _) => format!("{id}: {offline}, but {}", live.differences.join("; ")),
        (None, Some(why)) => format!("{id}: {offline}, not tried: {why}"),
        (None, None) => format!("{id}: {offline}, not tried"),
    }
}
