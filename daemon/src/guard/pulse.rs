//! Whether the daemon's threads still go round.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::clock::monotonic;

/// A thread that has not gone round for so long hangs. The slowest round, the first plan of very
/// many policies, takes far less.
const HANGS: u64 = 120;

/// What a thread moves once a round.
#[derive(Clone, Debug)]
pub struct Pulse {
    name: &'static str,
    /// When it last did, in nanoseconds of the monotonic clock.
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// The pulse of a thread that starts now.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            last: Arc::new(AtomicU64::new(monotonic())),
        }
    }

    /// One more round.
    pub fn beat(&self) {
        self.last.store(monotonic(), Ordering::Relaxed);
    }

    /// What is wrong with the thread at this time of the monotonic clock, if anything.
    pub fn complaint(&self, now: u64) -> Option<String> {
        let since = now.saturating_sub(self.last.load(Ordering::Relaxed)) / 1_000_000_000;
        (since >= HANGS).then(|| {
            format!(
                "the {} thread has not gone round for {since} s: restart the daemon, what is \
                 enforced stays",
                self.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_told() {
        let pulse = Pulse::new("reader");
        let now = monotonic();
        assert_eq!(pulse.complaint(now), None);
        let later = now + (HANGS + 1) * 1_000_000_000;
        assert!(
            pulse
                .complaint(later)
                .is_some_and(|why| why.contains("reader"))
        );
        pulse.last.store(later, Ordering::Relaxed);
        assert_eq!(pulse.complaint(later), None);
        pulse.beat();
        assert_eq!(pulse.complaint(monotonic()), None);
    }
}
