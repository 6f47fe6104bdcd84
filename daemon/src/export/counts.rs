//! The numbers of one exporter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::flow::Gap;

/// Gaps remembered, the newest ones; all of them are counted.
const REMEMBERED: usize = 16;

/// Flows that were gone before the exporter came to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which, by their numbers in the log.
    pub gap: Gap,
    /// When that was found out, Unix nanoseconds.
    pub time: i64,
}

/// The numbers of one exporter. They go on when it is configured anew.
#[derive(Debug, Default)]
pub struct Counts {
    position: AtomicU64,
    exported: AtomicU64,
    lost: AtomicU64,
    rejected: AtomicU64,
    gaps: AtomicU64,
    retries: AtomicU64,
    missed: Mutex<VecDeque<Missed>>,
    problem: Mutex<String>,
}

impl Counts {
    pub(super) fn at(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub(super) fn export(&self, flows: u64) {
        self.exported.fetch_add(flows, Ordering::Relaxed);
    }

    pub(super) fn reject(&self, flows: u64) {
        self.rejected.fetch_add(flows, Ordering::Relaxed);
    }

    pub(super) fn lose(&self, flows: u64) {
        self.lost.fetch_add(flows, Ordering::Relaxed);
    }

    pub(super) fn miss(&self, gap: Gap, time: i64) {
        self.lose(gap.flows());
        self.gaps.fetch_add(1, Ordering::Relaxed);
        let mut missed = self.missed.lock();
        if missed.len() == REMEMBERED {
            missed.pop_front();
        }
        missed.push_back(Missed { gap, time });
    }

    /// Sets what keeps it from exporting; whether that is new.
    pub(super) fn stuck(&self, problem: &str) -> bool {
        self.retries.fetch_add(1, Ordering::Relaxed);
        let mut known = self.problem.lock();
        let new = *known != problem;
        problem.clone_into(&mut known);
        new
    }

    /// Nothing keeps it from exporting; whether something did.
    pub(super) fn free(&self) -> bool {
        let mut known = self.problem.lock();
        let was = !known.is_empty();
        known.clear();
        was
    }

    /// Number in the log of the flow it exports next.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Flows exported.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Flows that were gone before it came to them.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Flows a collector did not want.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// How often flows were gone.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Tries that failed.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// The newest gaps.
    pub fn missed(&self) -> Vec<Missed> {
        self.missed.lock().iter().copied().collect()
    }

    /// What keeps it from exporting now; empty when nothing does.
    pub fn problem(&self) -> String {
        self.problem.lock().clone()
    }
}
