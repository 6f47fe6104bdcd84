//! `flowctl policy test`: who may talk to whom under these policies, in a world that is written down.

use std::io::Write;
use std::path::Path;

use flowd_policy::cases::{Case, CaseAnswer, EndAnswer, Expected, WrittenWorld};
use flowd_policy::{Diagnostic, PolicySet};

use super::files;
use super::finding::{Finding, Severity};
use crate::args::{TestArgs, TestOutput};
use crate::commands::{print, print_json};
use crate::failure::Failure;
use crate::print::{clean, columns};

/// Cases of one run, at most.
const MAX_CASES: usize = 1_000_000;

pub(super) fn run(args: &TestArgs) -> Result<(), Failure> {
    let (policies, world, cases) = match read(args)? {
        Ok(read) => read,
        Err(errors) => {
            complain(errors);
            return Err(Failure::Unhealthy);
        }
    };
    if args.live {
        return super::test_live::run(args);
    }
    let (mut answers, mut unknown) = (Vec::new(), Vec::new());
    for case in &cases {
        match world.ask(&policies, case) {
            Ok(answer) => answers.push((case, answer)),
            Err(nobody) => unknown.push(nobody),
        }
    }
    match args.output {
        TestOutput::Json => {
            let answers: Vec<&CaseAnswer> = answers.iter().map(|(_, answer)| answer).collect();
            print_json(&answers)?;
        }
        TestOutput::Table => print(&table(&answers)?)?,
    }
    let wrong: Vec<&(&Case, CaseAnswer)> = answers
        .iter()
        .filter(|(case, answer)| !answer.differences(case).is_empty())
        .collect();
    let expecting = cases.iter().filter(|case| !case.expect.is_empty()).count();
    for (case, answer) in &wrong {
        tell(&difference(case, answer));
    }
    let summary = format!(
        "{} cases: {expecting} say what they expect, {} differ, {} name an unknown end",
        cases.len(),
        wrong.len(),
        unknown.len()
    );
    let failed = !wrong.is_empty() || !unknown.is_empty();
    complain(unknown);
    tell(&summary);
    if failed {
        Err(Failure::Unhealthy)
    } else {
        Ok(())
    }
}

type Inputs = (PolicySet, WrittenWorld, Vec<Case>);

/// Reads all files, so that everything wrong with them is told at once.
fn read(args: &TestArgs) -> Result<Result<Inputs, Vec<Diagnostic>>, Failure> {
    let mut policies = files::policies(&args.policies)?;
    let mut errors = std::mem::take(&mut policies.errors);
    let name = args.world.display().to_string();
    let world = files::text(&args.world).and_then(|text| WrittenWorld::read(&name, &text));
    let world = world.unwrap_or_else(|found| {
        errors.extend(found);
        WrittenWorld::default()
    });
    let mut cases = Vec::new();
    for path in &args.cases {
        match read_cases(path) {
            Ok(read) => cases.extend(read),
            Err(found) => errors.extend(found),
        }
    }
    if cases.len() > MAX_CASES {
        let many = cases.len();
        return Err(Failure::Usage(format!(
            "{many} cases; at most {MAX_CASES} are answered at once"
        )));
    }
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    // Policies may name services, and those are part of the world.
    policies.contents.push(world.services.clone());
    let set = PolicySet::assemble(&policies.contents);
    Ok(Ok((set, world, cases)))
}

fn read_cases(path: &Path) -> Result<Vec<Case>, Vec<Diagnostic>> {
    Case::read(&path.display().to_string(), &files::text(path)?)
}

fn difference(case: &Case, answer: &CaseAnswer) -> String {
    format!(
        "case {} (line {}): {} (egress: {}; ingress: {})",
        case.id,
        case.line(),
        answer.differences(case).join("; "),
        end(&answer.egress),
        end(&answer.ingress)
    )
}

/// The reason says the verdict too.
fn end(answer: &EndAnswer) -> String {
    match answer.policies.as_slice() {
        [] => answer.reason.to_owned(),
        policies => format!("{}: {}", answer.reason, policies.join(", ")),
    }
}

fn table(answers: &[(&Case, CaseAnswer)]) -> Result<Vec<u8>, Failure> {
    let mut rows = columns();
    writeln!(rows, "CASE\tVERDICT\tEXPECTED\tEGRESS\tINGRESS")?;
    for (case, answer) in answers {
        let expected = match case.expect.verdict {
            None => "",
            Some(Expected::Allowed) => "allowed",
            Some(Expected::Denied) => "denied",
        };
        writeln!(
            rows,
            "{}\t{}\t{expected}\t{}\t{}",
            clean(&answer.id),
            if answer.allowed { "allowed" } else { "denied" },
            clean(&end(&answer.egress)),
            clean(&end(&answer.ingress)),
        )?;
    }
    rows.into_inner()
        .map_err(|error| Failure::Runtime(format!("cannot align: {error}")))
}

fn complain(errors: Vec<Diagnostic>) {
    for error in errors {
        tell(&Finding::new(Severity::Error, error).text());
    }
}

/// On stderr, which the answers share with nobody.
fn tell(line: &str) {
    // With stderr closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{}", clean(line));
}
