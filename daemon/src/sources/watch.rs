//! Waking the control loop when a watched directory changes.
//!
//! Which path fired does not matter: mounted ConfigMaps swap a symlink, and a queue overflow tells
//! nothing. The loop reads everything again, and does so now and then even without an event.

use std::{path::Path, sync::mpsc::Sender};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// Watches directories for as long as it lives.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Sends a wake-up for every change in one of the directories.
    ///
    /// # Errors
    ///
    /// When a directory cannot be watched; the periodic re-read still finds its changes.
    pub fn start(directories: &[&Path], wake: Sender<()>) -> notify::Result<Self> {
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(is_a_look) {
                return;
            }
            // The loop has gone: so will the watcher.
            let _ = wake.send(());
        })?;
        for directory in directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher })
    }
}

/// Whether somebody has only looked at a file. The loop does so at every turn: it would wake itself
/// for ever.
const fn is_a_look(event: &Event) -> bool {
    matches!(event.kind, EventKind::Access(access)
        if !matches!(access, AccessKind::Close(AccessMode::Write)))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc};

    use super::*;

    /// Events come in order: had the look been one, it would be counted before the write's.
    #[test]
    fn reading_wakes_nobody_and_writing_does() {
        let root = tempfile::tempdir().expect("a directory");
        let (wake, woken) = mpsc::channel();
        let file = root.path().join("a.yaml");
        fs::write(&file, "1").expect("written");
        let watch = Watch::start(&[root.path()], wake).expect("watched");
        for _ in 0..100 {
            assert_eq!(fs::read_to_string(&file).expect("read"), "1");
            assert_eq!(fs::read_dir(root.path()).expect("listed").count(), 1);
        }
        fs::remove_file(&file).expect("removed");
        woken.recv().expect("woken by the removal");
        drop(watch);
        assert!(woken.iter().count() < 10, "looks are no changes");
    }
}
