//! Asking the control loop to look now, and waiting until it has.

use std::{sync::mpsc::Sender, time::Duration};

use tokio::sync::watch;

/// How long a look may take before whoever waits is told that it has not happened.
const PATIENCE: Duration = Duration::from_secs(20);

/// A hand on the control loop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Nudge {
    wake: Sender<()>,
    turns: watch::Receiver<u64>,
}

impl Nudge {
    /// A hand on the loop that wakes by `wake` and counts its looks in `turns`.
    pub const fn new(wake: Sender<()>, turns: watch::Receiver<u64>) -> Self {
        Self { wake, turns }
    }

    /// Waits for a whole look that began after this call; whether there was one.
    pub async fn settle(&self) -> bool {
        let mut turns = self.turns.clone();
        let begun = *turns.borrow_and_update();
        // The look that is going on may have read the files already: the one after it has not.
        let looked = async {
            for turn in 1..=2 {
                if self.wake.send(()).is_err() {
                    return false;
                }
                if turns
                    .wait_for(|count| *count >= begun + turn)
                    .await
                    .is_err()
                {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, looked)
            .await
            .unwrap_or(false)
    }
}
