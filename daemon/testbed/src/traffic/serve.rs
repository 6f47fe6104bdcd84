//! What the servers have in common: a thread that ends when its owner is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::{io, mem};

/// Set once, by the owner, when the server has to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A named thread that is waited for when dropped. Whoever owns it makes it end first.
#[derive(Debug)]
pub(super) struct Worker(Option<JoinHandle<()>>);

impl Worker {
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Ok(Self(Some(
            Builder::new().name(name.to_owned()).spawn(work)?,
        )))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(thread) = mem::take(&mut self.0) {
            // A panic in a server has been printed by the thread; the clients of the test will notice.
            let _ = thread.join();
        }
    }
}
