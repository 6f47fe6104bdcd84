//! What of the doors is read again while the daemon runs: who may do what, certificates, tokens.
//!
//! On SIGHUP, and when a file changes. What is wrong is told as a problem of the daemon, and what
//! was there before stays in force. Open connections and streams keep what they began with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::config::Reloadable;
use crate::guard::Board;
use crate::serve::Sources;
use crate::serve::tls::Tls;
use crate::sources::only_reads;

/// A burst of file events is one change.
const SETTLE: Duration = Duration::from_millis(50);
/// Looked at this often where files cannot be watched.
const LOOK: Duration = Duration::from_secs(10);

/// Reads again, and hands on what it read.
pub(crate) struct Renew {
    /// The configuration file.
    pub(crate) file: Option<PathBuf>,
    /// What is in force.
    pub(crate) now: Reloadable,
    /// The TLS door, when there is one.
    pub(crate) tls: Option<Tls>,
    /// The gate, among others.
    pub(crate) sources: Sources,
    /// Where problems are told.
    pub(crate) board: Board,
}

impl Renew {
    /// Reads again whenever there is a reason to; never ends.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let changed = Arc::new(Notify::new());
        let mut hangup = signal(SignalKind::hangup())?;
        let mut watch = self.watch(&changed);
        loop {
            let watched = watch.is_some();
            tokio::select! {
                _ = hangup.recv() => tracing::info!("SIGHUP: reading the configuration again"),
                () = changed.notified() => sleep(SETTLE).await,
                () = sleep(LOOK), if !watched => {}
            }
            self.read().await;
            // Other files may be named now, and a directory may have been replaced.
            watch = self.watch(&changed);
        }
    }

    async fn read(&mut self) {
        let mut problems = Vec::new();
        if let Some(file) = &self.file {
            match Reloadable::read(file) {
                Ok(read) => {
                    if read != self.now {
                        tracing::info!(file = %file.display(), "the configuration has changed");
                    }
                    self.now = read;
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        match (&self.tls, &self.now.tls) {
            (Some(tls), Some(section)) => problems.extend(tls.reload(section).err()),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                problems.push("tls: takes effect when flowd is started again".to_owned());
            }
        }
        let gate = &self.sources.gate;
        problems.extend(gate.reload(&self.now.access, &self.now.limits).err());
        // Waits for exporters that end, so not on a thread that serves.
        let (export, sources) = (self.now.export.clone(), self.sources.clone());
        let applied =
            tokio::task::spawn_blocking(move || sources.exports.apply(&export, &sources)).await;
        problems.extend(applied.unwrap_or_default());
        for problem in &problems {
            tracing::warn!("not in force: {problem}; what was there before is");
        }
        if self.sources.status.load().reload_problems != problems {
            self.board
                .update(|status| status.reload_problems = problems);
        }
    }

    fn watch(&self, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let changed = Arc::clone(changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if !event.is_ok_and(|event| only_reads(event.kind)) {
                changed.notify_one();
            }
        });
        let watched = watcher.and_then(|mut watcher| {
            for directory in self.directories() {
                watcher.watch(&directory, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        watched
            .inspect_err(|error| {
                tracing::warn!(%error, "files cannot be watched; they are read again every {LOOK:?}");
            })
            .ok()
    }

    /// Where the files are: a file that is replaced is another one, its directory stays.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let tls = self.now.tls.iter().flat_map(|tls| {
            let own = [&tls.certificate, &tls.key];
            own.into_iter().chain(&tls.client_ca)
        });
        let files = self.file.iter().chain(tls).chain(&self.now.access.tokens);
        let directory = |file: &PathBuf| match file.parent() {
            Some(directory) if directory != Path::new("") => directory.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        files.map(directory).collect()
    }
}
