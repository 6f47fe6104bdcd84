//! The status board: those who know a part of the daemon's state write it, readers see a whole.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::serve::status::{Status, StatusHandle};

/// A board whose every change is published at once.
#[derive(Clone, Debug)]
pub struct Board {
    status: Arc<Mutex<Status>>,
    handle: StatusHandle,
    turns: watch::Sender<u64>,
}

impl Board {
    /// A board of a daemon that started at this Unix time in nanoseconds.
    pub fn new(started: i64) -> Self {
        let status = Status {
            started,
            ..Status::default()
        };
        Self {
            handle: StatusHandle::new(status.clone()),
            status: Arc::new(Mutex::new(status)),
            turns: watch::Sender::new(0),
        }
    }

    /// Counts the looks of the control loop.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// Tells that the control loop has looked at everything and published what it found.
    pub fn turned(&self) {
        self.turns.send_modify(|turns| *turns += 1);
    }

    /// What readers hold.
    pub fn handle(&self) -> StatusHandle {
        self.handle.clone()
    }

    /// Changes the board and publishes it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
        self.handle.store(status.clone());
    }
}
