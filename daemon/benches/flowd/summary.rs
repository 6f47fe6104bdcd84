//! The figures: kept by key, compared with their targets, written as JSON and as a table.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Marks a commit that files differ from.
const CHANGED: &str = "+changes";

/// What a figure should come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// It is there to compare with.
    None,
}

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The section of the summary it belongs to.
    pub(crate) section: String,
    /// Its key there.
    pub(crate) key: String,
    pub(crate) value: f64,
    pub(crate) target: Target,
    /// How it was come by.
    pub(crate) method: String,
}

impl Figure {
    fn meets(&self) -> Option<bool> {
        match self.target {
            Target::AtMost(bound) => Some(self.value <= bound),
            Target::AtLeast(bound) => Some(self.value >= bound),
            Target::None => None,
        }
    }
}

/// All figures of one commit on one kernel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    kernel: String,
    commit: String,
    figures: Vec<Figure>,
}

impl Summary {
    /// The figures there are of this very commit, or none; files that differ from it have no name.
    pub(crate) fn open() -> Result<Self, Box<dyn Error>> {
        let fresh = Self {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            commit: commit(),
            figures: Vec::new(),
        };
        let kept = fs::read_to_string(directory().join("figures.json"))
            .ok()
            .and_then(|text| serde_json::from_str::<Self>(&text).ok())
            .filter(|kept| kept.commit == fresh.commit && kept.kernel == fresh.kernel)
            .filter(|kept| !kept.commit.ends_with(CHANGED));
        Ok(kept.unwrap_or(fresh))
    }

    /// Puts a figure in the place of an earlier one.
    pub(crate) fn put(
        &mut self,
        section: &str,
        key: &str,
        value: f64,
        target: Target,
        method: &str,
    ) {
        let figure = Figure {
            section: section.to_owned(),
            key: key.to_owned(),
            value,
            target,
            method: method.to_owned(),
        };
        let same = |old: &&mut Figure| old.section == section && old.key == key;
        match self.figures.iter_mut().find(same) {
            Some(old) => *old = figure,
            None => self.figures.push(figure),
        }
    }

    /// Writes `summary.json`, and beside it what the next run keeps.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let directory = directory();
        fs::create_dir_all(&directory)?;
        let mut sections: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for figure in &self.figures {
            sections
                .entry(&figure.section)
                .or_default()
                .insert(figure.key.clone(), json!(rounded(figure.value)));
        }
        let mut summary = Map::new();
        for (section, figures) in sections {
            summary.insert(section.to_owned(), Value::Object(figures));
        }
        summary.insert("kernel".to_owned(), json!(self.kernel));
        summary.insert("commit".to_owned(), json!(self.commit));
        let text = serde_json::to_string_pretty(&Value::Object(summary))?;
        fs::write(directory.join("summary.json"), text + "\n")?;
        fs::write(directory.join("figures.json"), serde_json::to_string(self)?)?;
        Ok(())
    }

    /// Prints every figure with its target and its method.
    pub(crate) fn print(&self) {
        println!("\nkernel {}, commit {}", self.kernel, self.commit);
        println!("{:<46} {:>14}  {:<16} method", "figure", "value", "target");
        for figure in &self.figures {
            let name = format!("{}.{}", figure.section, figure.key);
            let target = match figure.target {
                Target::AtMost(bound) => format!("<= {}", rounded(bound)),
                Target::AtLeast(bound) => format!(">= {}", rounded(bound)),
                Target::None => String::new(),
            };
            let verdict = match figure.meets() {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            println!(
                "{name:<46} {:>14}  {:<16} {}",
                rounded(figure.value),
                format!("{target} {verdict}"),
                figure.method
            );
        }
        println!("written to {}", directory().join("summary.json").display());
    }
}

/// Three digits behind the point are more than any figure here is good for.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// `target/bench`, wherever cargo's target directory is.
fn directory() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .unwrap_or_else(|| Path::new("target"))
        .join("bench")
}

/// The commit that is checked out, marked where files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + CHANGED,
    }
}

/// The middle of some samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}
