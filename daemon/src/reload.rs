//! Settings that may change while the daemon runs: read again on SIGHUP and when the file changes.
//!
//! These are what the metrics count. Everything else in the file takes a restart.

use std::{fs, path::PathBuf, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::{clock::monotonic, config::Config, observe::filter, serve::Sources, serve::stop::Stop};

/// The file is looked at, and the series of what went are removed, this often.
const LOOK: Duration = Duration::from_secs(1);

/// The file as it was last read.
#[derive(Debug)]
pub(crate) struct Reload {
    path: Option<PathBuf>,
    text: Option<String>,
    sources: Sources,
}

impl Reload {
    /// Of this file, which was just read.
    pub(crate) fn new(path: Option<PathBuf>, sources: Sources) -> Self {
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        Self {
            path,
            text,
            sources,
        }
    }

    /// Looks until told to stop.
    ///
    /// # Errors
    ///
    /// When signals cannot be received.
    pub(crate) async fn run(mut self, stop: Stop) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK);
        let stopped = stop.wait();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => return Ok(()),
                _ = hangup.recv() => self.look(true),
                _ = look.tick() => {
                    self.look(false);
                    let now = i64::try_from(monotonic() / 1_000_000_000).unwrap_or(i64::MAX);
                    self.sources.flows.tend(&self.sources.directory.load(), now);
                }
            }
        }
    }

    /// Reads the file; what it says comes into force if it changed or somebody asked for it.
    fn look(&mut self, asked: bool) {
        let Some(path) = &self.path else {
            if asked {
                tracing::info!("SIGHUP: there is no configuration file to read again");
            }
            return;
        };
        // A file that is gone for a moment is being replaced.
        let text = fs::read_to_string(path).ok();
        if !asked && (text.is_none() || text == self.text) {
            return;
        }
        self.text = text;
        let flows = &self.sources.flows;
        let context = filter::Context {
            directory: self.sources.directory.clone(),
            boot: self.sources.boot,
            scope: Default::default(),
        };
        let read = Config::counting(path).map_err(|error| error.to_string());
        let done = read.and_then(|settings| {
            let configured = flows.configure(&settings, &context);
            configured.map_err(|error| format!("metrics.plugins: {error}"))
        });
        flows.reloaded(done.is_ok());
        match done {
            Ok(()) => tracing::info!(file = %path.display(), "metrics configured anew"),
            Err(error) => tracing::error!(%error, "the metrics stay configured as they were"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{World, open};

    fn count(world: &World) -> usize {
        let families = world.sources.flows.snapshots().families();
        let own = |name: &&prometheus::proto::MetricFamily| name.name().starts_with("hubble_");
        families.iter().filter(own).count()
    }

    #[test]
    fn a_changed_file_comes_into_force_and_a_broken_one_does_not() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("flowd.yaml");
        fs::write(&path, "log: info\n").expect("written");
        let mut world = World::new(10);
        let mut reload = Reload::new(Some(path.clone()), world.sources.clone());
        let good = |world: &World| world.sources.flows.reloads();
        reload.look(false);
        world.tell(&[open()]);
        assert_eq!((count(&world), good(&world)), (4, (true, [0, 0])));
        fs::write(&path, "metrics: {plugins: [flow, tcp]}\n").expect("written");
        reload.look(false);
        assert_eq!((count(&world), good(&world)), (2, (true, [1, 0])));
        fs::write(&path, "metrics: {plugins: [flow, tpc]}\n").expect("written");
        reload.look(false);
        reload.look(false);
        assert_eq!((count(&world), good(&world)), (2, (false, [1, 1])));
        fs::remove_file(&path).expect("removed");
        reload.look(false);
        assert_eq!(good(&world), (false, [1, 1]));
        fs::write(&path, "metrics: {plugins: flow}\n").expect("written");
        reload.look(true);
        reload.look(true);
        assert_eq!((count(&world), good(&world)), (1, (true, [3, 1])));
    }
}
