//! The keeper of the ledger: once a second it sweeps the tables and reads the counters.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    clock::monotonic,
    enrich::OwnerCounts,
    guard::{Board, Keeper, Pulse},
    kernel::{
        Kernel,
        counters::{CounterRow, Counters},
        sockets::SocketCounter,
        sweep::Sweep,
    },
    serve::status::LedgerRow,
};

/// Time between two sweeps.
const PERIOD: Duration = Duration::from_secs(1);

/// Sweeps and counts until told to stop.
pub struct Ledger {
    kernel: Arc<Mutex<Kernel>>,
    sweep: Arc<Mutex<Sweep>>,
    counters: Counters,
    board: Board,
    lost: u64,
    sockets: Option<SocketCounter>,
    owners: Arc<OwnerCounts>,
    kernel_drops: Option<Keeper>,
}

impl Ledger {
    /// A keeper of these tables.
    pub fn new(
        kernel: Arc<Mutex<Kernel>>,
        sweep: Arc<Mutex<Sweep>>,
        counters: Counters,
        board: Board,
    ) -> Self {
        Self {
            kernel,
            sweep,
            counters,
            board,
            lost: 0,
            sockets: None,
            owners: Arc::default(),
            kernel_drops: None,
        }
    }

    /// The same, that also looks after what the socket table sheds.
    #[must_use]
    pub fn with_sockets(
        mut self,
        sockets: Option<SocketCounter>,
        owners: Arc<OwnerCounts>,
    ) -> Self {
        self.sockets = sockets;
        self.owners = owners;
        self
    }

    /// The same, that also tells what the kernel drops by itself.
    #[must_use]
    pub fn with_kernel_drops(mut self, keeper: Option<Keeper>) -> Self {
        self.kernel_drops = keeper;
        self
    }

    /// Runs until `stop` is set.
    pub fn run(mut self, stop: &AtomicBool, pulse: &Pulse) {
        while !stop.load(Ordering::Relaxed) {
            pulse.beat();
            if let Err(error) = self.turn() {
                tracing::error!(%error, "the ledger could not be read");
                self.board
                    .update(|status| set_problem(&mut status.problems, Some(error)));
            }
            thread::park_timeout(PERIOD);
        }
    }

    /// Deferred events are lost when their entry was evicted: what the kernel deferred, less what
    /// the sweep has told and what still waits in a table. Deferrals between reading the counters
    /// and walking the tables can only hide a loss until the next turn.
    fn turn(&mut self) -> Result<(), String> {
        let before = self.counters.read().map_err(|error| error.to_string())?;
        let mut kernel_drops = None;
        let mut found = {
            let mut sweep = self.sweep.lock().unwrap_or_else(PoisonError::into_inner);
            let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
            sweep
                .run(kernel.program("sweep_flows"), monotonic())
                .map_err(|error| error.to_string())?
        };
        if let Some(keeper) = &mut self.kernel_drops {
            let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, pending) = keeper.turn(&mut kernel)?;
            found.pending += pending;
            kernel_drops = Some(status);
        }
        let sum = |part: fn(&CounterRow) -> u64| before.iter().map(part).sum::<u64>();
        let deferred = sum(|row| row.counter.deferred);
        let recovered = sum(|row| row.counter.recovered);
        let missing = deferred
            .saturating_sub(recovered)
            .saturating_sub(found.pending);
        self.lost = self.lost.max(missing);
        if let Some(sockets) = &self.sockets {
            let counts = sockets.read().map_err(|error| error.to_string())?;
            self.owners.sockets(counts);
        }
        let rows = self.counters.read().map_err(|error| error.to_string())?;
        let lost = self.lost;
        self.board.update(|status| {
            status.ledger = rows
                .into_iter()
                .map(
                    |CounterRow {
                         verdict,
                         direction,
                         counter,
                     }| LedgerRow {
                        verdict,
                        direction,
                        counter,
                    },
                )
                .collect();
            if let Some(kernel_drops) = kernel_drops {
                status.kernel_drops = kernel_drops;
            }
            status.pending = found.pending;
            status.lost = lost;
            status.connections = found.connections;
            status.denied = found.denied;
            set_problem(&mut status.problems, None);
        });
        Ok(())
    }
}

const PROBLEM: &str = "ledger: ";

fn set_problem(problems: &mut Vec<String>, problem: Option<String>) {
    problems.retain(|known| !known.starts_with(PROBLEM));
    problems.extend(problem.map(|problem| format!("{PROBLEM}{problem}")));
}
