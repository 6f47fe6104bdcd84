//! Flows to files and collectors.
//!
//! Each exporter is a thread with a cursor of its own on the flow log. One whose disk is full or
//! whose collector is away waits with what it has in hand and tries again; the log goes on without
//! it, and what it missed meanwhile is told exactly, in its output, the status and the metrics.

mod aggregate;
mod collector;
mod counts;
mod file;
mod otlp;
mod plan;
mod secure;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::watch;

pub use counts::{Counts, Missed};
pub use plan::Plan;

use crate::clock::now;
use crate::config::export::ExportSection;
use crate::flow::log::Start;
use crate::observe::filter;
use crate::serve::Sources;
use worker::Worker;

/// The exporters that run; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Exporters(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    changes: Changes,
    /// Whether flows before the first configuration are wanted: at the start of the daemon.
    begun: bool,
    exporters: BTreeMap<String, Exporter>,
}

#[derive(Debug)]
struct Exporter {
    section: ExportSection,
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<u64>,
}

/// What became of the exporters with each configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Exporters that were new.
    pub added: u64,
    /// Exporters that were configured anew.
    pub updated: u64,
    /// Exporters that went.
    pub removed: u64,
    /// Stands for the configuration in force: another one has another, most likely.
    pub hash: u32,
    /// When it came in force, Unix nanoseconds; 0 before the first.
    pub applied: i64,
}

/// How one exporter is doing.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Where it exports to.
    pub target: String,
    /// Its numbers.
    pub counts: Arc<Counts>,
    /// When it ends, Unix nanoseconds.
    pub end: Option<i64>,
}

impl Exporters {
    /// Runs what the sections say. One that stays as it is goes on; one that changes goes on from
    /// where it was; a new one begins with the next flow, at the daemon's start with the first.
    /// Waits for those that end, a second or so each.
    pub fn apply(&self, sections: &[ExportSection], sources: &Sources) -> Vec<String> {
        let mut running = self.0.lock();
        let wanted = |name: &str| sections.iter().find(|section| section.name == name);
        let gone: Vec<String> = running
            .exporters
            .iter()
            .filter(|(name, exporter)| wanted(name) != Some(&exporter.section))
            .map(|(name, _)| name.clone())
            .collect();
        let mut ended = BTreeMap::new();
        for name in gone {
            if let Some(exporter) = running.exporters.remove(&name) {
                let counts = Arc::clone(&exporter.counts);
                ended.insert(name, (exporter.end(), counts));
            }
        }
        let begun = std::mem::replace(&mut running.begun, true);
        let mut problems = Vec::new();
        running.changes.hash = hash(sections);
        running.changes.applied = now();
        for section in sections {
            if running.exporters.contains_key(&section.name) {
                continue;
            }
            let (start, counts, is_new) = match ended.remove(&section.name) {
                Some((next, counts)) => (Start::Seq(next), counts, false),
                None if begun => (Start::Head, Arc::default(), true),
                None => (Start::Oldest, Arc::default(), true),
            };
            match Exporter::start(section, sources, start, counts) {
                Ok(exporter) => {
                    running.changes.added += u64::from(is_new);
                    running.changes.updated += u64::from(!is_new);
                    running.exporters.insert(section.name.clone(), exporter);
                }
                Err(error) => problems.push(format!("export {}: {error}", section.name)),
            }
        }
        running.changes.removed += ended.len() as u64;
        problems
    }

    /// What became of them so far.
    pub fn changes(&self) -> Changes {
        self.0.lock().changes
    }

    /// Ends all of them, each after what is in the log now.
    pub fn stop(&self) {
        let exporters = std::mem::take(&mut self.0.lock().exporters);
        for exporter in exporters.values() {
            exporter.stop.send_replace(true);
        }
        for exporter in exporters.into_values() {
            exporter.end();
        }
    }

    /// How each is doing.
    pub fn states(&self) -> Vec<State> {
        let running = self.0.lock();
        let states = running.exporters.iter().map(|(name, exporter)| State {
            name: name.clone(),
            target: exporter.section.target(),
            counts: Arc::clone(&exporter.counts),
            end: exporter
                .section
                .end
                .as_deref()
                .and_then(|end| plan::time(end).ok()),
        });
        states.collect()
    }
}

impl Exporter {
    fn start(
        section: &ExportSection,
        sources: &Sources,
        start: Start,
        counts: Arc<Counts>,
    ) -> Result<Self, String> {
        let context = filter::Context {
            directory: sources.directory.clone(),
            boot: sources.boot,
            scope: Default::default(),
        };
        let plan = Plan::compile(section, &context)?;
        let (stop, stopped) = watch::channel(false);
        let cursor = sources.log.cursor(start);
        counts.at(cursor.position());
        let worker = Worker::new(
            section.name.clone(),
            plan,
            cursor,
            sources.view(),
            Arc::clone(&counts),
        );
        let thread = thread::Builder::new()
            .name(
                format!("export-{}", section.name)
                    .chars()
                    .take(15)
                    .collect(),
            )
            .spawn(move || worker.run(stopped))
            .map_err(|error| format!("its thread cannot be started: {error}"))?;
        tracing::info!(name = section.name, target = section.target(), "exporting");
        Ok(Self {
            section: section.clone(),
            counts,
            stop,
            thread,
        })
    }

    /// Ends it; where it would have gone on.
    fn end(self) -> u64 {
        self.stop.send_replace(true);
        self.thread.join().unwrap_or_else(|_| {
            tracing::error!(name = self.section.name, "an exporter had panicked");
            self.counts.position()
        })
    }
}

fn hash(sections: &[ExportSection]) -> u32 {
    let mut hasher = DefaultHasher::new();
    sections.hash(&mut hasher);
    // As much as a gauge holds exactly.
    (hasher.finish() >> 32) as u32
}

impl ExportSection {
    fn target(&self) -> String {
        match (&self.file, &self.otlp) {
            (Some(file), _) => file.path.display().to_string(),
            (None, Some(otlp)) => otlp.endpoint.clone(),
            (None, None) => String::new(),
        }
    }
}
