//! From YAML documents to policies, with every default filled in.

mod document;
mod field;
mod icmp;
mod metadata;
mod peers;
mod ports;
mod report;
mod rule;
mod selector;
mod spec;

use crate::{diagnostic::Diagnostic, object::Policy, yaml};
use report::Report;

/// Reads the policies of one file. `file` is only a name, for findings and for flows.
///
/// A file is taken as a whole: one finding refuses every policy in it.
///
/// # Errors
/// Everything that is wrong with the file, in the order of its lines.
pub fn parse(file: &str, text: &str) -> Result<Vec<Policy>, Vec<Diagnostic>> {
    let report = Report::new(file);
    let documents = match yaml::documents(text) {
        Ok(documents) => documents,
        Err(broken) => {
            report.error(broken.place, "", broken.message, String::new());
            return Err(report.into_errors());
        }
    };
    let policies = documents
        .iter()
        .filter_map(|document| document::read(&report, document))
        .collect();
    let errors = report.into_errors();
    if errors.is_empty() {
        Ok(policies)
    } else {
        Err(errors)
    }
}
