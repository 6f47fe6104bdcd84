//! The section `export`: flows to files and collectors.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

pub use super::otlp::{OtlpTarget, OtlpTls};
use crate::enrich::DirectoryHandle;
use crate::export::Plan;
use crate::observe::filter;
use crate::observe::uuid::Boot;

/// Exporters, at most: each is a thread.
const MOST: usize = 16;

/// One exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportSection {
    /// By what it is known, in the status and the metrics.
    pub name: String,
    /// Writes JSON lines to a file.
    pub file: Option<FileTarget>,
    /// Sends OTLP logs over gRPC.
    pub otlp: Option<OtlpTarget>,
    /// Flows that one of these filters (Hubble's, as JSON) lets through; all when empty.
    pub allow: Vec<Value>,
    /// Flows that one of these keeps back.
    pub deny: Vec<Value>,
    /// Fields of a flow that are exported; all when empty.
    pub fields: Vec<String>,
    /// Counts like flows instead of telling each.
    pub aggregate: Option<AggregateSection>,
    /// When it ends, such as 2026-12-31T00:00:00Z.
    pub end: Option<String>,
}

/// A file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// Where, or `stdout`.
    pub path: PathBuf,
    /// Bytes after which a new file is begun.
    #[serde(default = "ten_megabytes")]
    pub max_bytes: u64,
    /// Seconds after which a new file is begun.
    #[serde(default)]
    pub max_age: Option<u64>,
    /// Finished files kept.
    #[serde(default = "five")]
    pub max_files: usize,
    /// Whether finished files are compressed.
    #[serde(default)]
    pub compress: bool,
}

const fn ten_megabytes() -> u64 {
    10 << 20
}

const fn five() -> usize {
    5
}

/// What flows are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateSection {
    /// Flows that agree in these fields are counted together.
    pub fields: Vec<String>,
    /// Seconds between two tellings.
    pub interval: u64,
    /// Kinds of flow counted at a time; with one more, all are told early.
    #[serde(default = "ten_thousand")]
    pub max_keys: usize,
}

const fn ten_thousand() -> usize {
    10_000
}

pub(super) fn problems(sections: &[ExportSection], problems: &mut Vec<String>) {
    if sections.len() > MOST {
        let count = sections.len();
        problems.push(format!("export: {count} exporters, at most {MOST}"));
    }
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for section in sections {
        let name = &section.name;
        let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            problems.push(format!(
                "export: {name:?} is no name; it takes 1 to 64 letters, digits, '.', '_' or '-'"
            ));
        }
        if !names.insert(name) {
            problems.push(format!("export {name}: there are two of this name"));
        }
        if let Some(file) = &section.file
            && !paths.insert(&file.path)
        {
            let path = file.path.display();
            problems.push(format!("export {name}: another exporter writes {path}"));
        }
        let context = filter::Context {
            directory: DirectoryHandle::default(),
            boot: Boot::fixed(0),
            scope: Default::default(),
        };
        let planned = Plan::compile(section, &context);
        problems.extend(planned.err().map(|error| format!("export {name}: {error}")));
    }
}
