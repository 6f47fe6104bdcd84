//! When to end: a signal, or the time that was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Between two looks at the clock and the signals.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Set once the demo has to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Is set by Ctrl-C, SIGTERM and a terminal that goes away, so that all three tidy up.
    pub(crate) fn on_signals() -> Result<Self> {
        let mark = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&mark)).context("cannot watch for signals")?;
        }
        Ok(Self(mark))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Sleeps, but not past a stop.
    pub(crate) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_set() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Waits for a signal, or for `limit` to pass. Says whether `noticed` was ever true meanwhile.
    pub(crate) fn wait(&self, limit: Option<Duration>, noticed: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        let mut seen = false;
        while !self.is_set() && limit.is_none_or(|limit| start.elapsed() < limit) {
            seen = seen || noticed();
            self.pause(LOOK_EVERY);
        }
        seen || noticed()
    }
}
