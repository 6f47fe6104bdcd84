//! Waking the control loop when a watched directory changes.
//!
//! Which path fired does not matter: mounted ConfigMaps swap a symlink, and a queue overflow tells
//! nothing. The loop reads everything again, and does so now and then even without an event.

use std::{path::Path, sync::mpsc::Sender};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

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
        let mut watcher = notify::recommended_watcher(move |_event| {
            // The loop has gone: so will the watcher.
            let _ = wake.send(());
        })?;
        for directory in directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher })
    }
}
