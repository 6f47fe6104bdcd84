//! The daemon's own threads.

use std::{
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

/// Starts a thread without which the daemon is none; it gets what tells it to stop.
///
/// # Errors
///
/// When the system has no thread to give.
pub(crate) fn spawn(
    name: &str,
    stopping: &Arc<AtomicBool>,
    run: impl FnOnce(Arc<AtomicBool>) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let stop = Arc::clone(stopping);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _vital = Vital;
        run(stop);
    })
}

/// Ends the process when its thread panics: a daemon without that thread would look healthy. What
/// is enforced stays, and the next daemon goes on.
struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}
