//! `flowctl policy validate`: what is wrong with policy files, and what is accepted but not enforced.

use std::collections::BTreeMap;

use flowd_policy::{Diagnostic, Policy, PolicySet};
use serde::Serialize;

use super::files::{self, Read};
use super::finding::{Finding, Severity};
use crate::args::{ValidateArgs, ValidateOutput};
use crate::commands::{print, print_json};
use crate::failure::Failure;

/// The outcome for programs.
#[derive(Debug, Serialize)]
struct Outcome {
    valid: bool,
    counts: Counts,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Counts {
    files: usize,
    policies: usize,
    /// Policies of which a part is not enforced yet; it fails closed.
    incomplete: usize,
    cidr_groups: usize,
    errors: usize,
    notes: usize,
}

pub(super) fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let outcome = outcome(files::policies(&args.paths)?);
    match args.output {
        ValidateOutput::Json => print_json(&outcome)?,
        ValidateOutput::Compact => print(text(&outcome).as_bytes())?,
    }
    if outcome.valid {
        Ok(())
    } else {
        Err(Failure::Unhealthy)
    }
}

fn outcome(read: Read) -> Outcome {
    let enforced = PolicySet::assemble(&read.contents);
    let shadow = PolicySet::assemble_shadow(&read.contents);
    let policies = enforced.policies().chain(shadow.policies());
    let mut notes: Vec<Diagnostic> = policies
        .clone()
        .flat_map(|policy| policy.warnings.iter().cloned())
        .chain(namesakes(enforced.policies()))
        .chain(namesakes(shadow.policies()))
        .collect();
    notes.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let counts = Counts {
        files: read.files,
        policies: policies.clone().count(),
        incomplete: policies.filter(|policy| !policy.complete).count(),
        cidr_groups: read.contents.iter().map(|file| file.groups.len()).sum(),
        errors: read.errors.len(),
        notes: notes.len(),
    };
    let errors = read.errors.into_iter();
    let errors = errors.map(|found| Finding::new(Severity::Error, found));
    let notes = notes.into_iter();
    let notes = notes.map(|found| Finding::new(Severity::Note, found));
    Outcome {
        valid: counts.errors == 0,
        counts,
        findings: errors.chain(notes).collect(),
    }
}

/// Policies of the same kind, namespace and name: an API server would keep only one of them.
fn namesakes<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<Diagnostic> {
    let mut first = BTreeMap::new();
    let mut found = Vec::new();
    for policy in policies {
        let this = &policy.reference;
        match first.entry(this.to_string()) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(this);
            }
            std::collections::btree_map::Entry::Occupied(entry) => found.push(Diagnostic {
                file: this.file.clone(),
                line: this.line,
                column: 1,
                path: "metadata.name".to_owned(),
                message: format!(
                    "{this} is in {}:{} too, and both are in force",
                    entry.get().file,
                    entry.get().line
                ),
                help: "an API server would keep only one of them; give it another name".to_owned(),
            }),
        }
    }
    found
}

fn text(outcome: &Outcome) -> String {
    let mut text: String = outcome
        .findings
        .iter()
        .map(|finding| finding.text() + "\n")
        .collect();
    let Counts {
        files,
        policies,
        incomplete,
        cidr_groups,
        errors,
        notes,
    } = outcome.counts;
    text += &format!(
        "{files} {}: {errors} {}, {notes} {}; {policies} valid {} ({incomplete} not enforced in \
         full, failing closed), {cidr_groups} CIDR {}\n",
        plural(files, "file", "files"),
        plural(errors, "error", "errors"),
        plural(notes, "note", "notes"),
        plural(policies, "policy", "policies"),
        plural(cidr_groups, "group", "groups"),
    );
    text
}

const fn plural(count: usize, one: &'static str, more: &'static str) -> &'static str {
    if count == 1 { one } else { more }
}
