//! The daemon's own threads, and the signals that end it.

use std::{
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

pub(super) fn spawn(
    name: &str,
    stopping: &Arc<AtomicBool>,
    run: impl FnOnce(Arc<AtomicBool>) + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stopping);
    Ok(thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _vital = Vital;
            run(stop);
        })?)
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

pub(super) async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return "no signal can be received";
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
