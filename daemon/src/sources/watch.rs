//! Waking the control loop when a watched directory changes.
//!
//! Which path fired does not matter: mounted ConfigMaps swap a symlink, and a queue overflow tells
//! nothing. The loop reads everything again, and does so now and then even without an event.

use std::{path::Path, sync::mpsc::Sender};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// Whether nothing changed: the loop's own reading must not wake it.
pub(crate) const fn only_reads(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => false,
    }
}

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
            if event.is_ok_and(|event| only_reads(event.kind)) {
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

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn a_change_wakes_the_loop_and_its_own_reading_does_not() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("a.yaml");
        fs::write(&file, "1").expect("written");
        let (wake, woken) = mpsc::channel();
        let _watch = Watch::start(&[root.path()], wake).expect("watched");
        for _ in 0..10 {
            fs::read_dir(root.path()).expect("listed").for_each(drop);
            fs::read_to_string(&file).expect("read");
        }
        fs::write(root.path().join("b.yaml"), "2").expect("written");
        let patience = Duration::from_secs(20);
        woken.recv_timeout(patience).expect("a change is told");
        // A file made, written and closed: nothing of the reading before it is among the wake-ups.
        let more = std::iter::from_fn(|| woken.recv_timeout(Duration::from_millis(200)).ok());
        assert!(more.count() <= 3);
    }
}
