//! How often each shadow policy would have decided, and against which enforced verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use flowd_abi::Verdict;
use parking_lot::RwLock;

/// What was enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// It passed.
    Forwarded,
    /// It was dropped.
    Dropped,
    /// It was denied, and passed because the endpoint's mode is audit.
    Audit,
}

impl Enforced {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Forwarded, Self::Dropped, Self::Audit];

    /// Of a verdict.
    #[inline]
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Forward(_) => Self::Forwarded,
            Verdict::Drop(_) => Self::Dropped,
            Verdict::Audit(_) => Self::Audit,
        }
    }

    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Dropped => "dropped",
            Self::Audit => "audit",
        }
    }

    /// Whether policies allowed it.
    pub const fn allowed(self) -> bool {
        match self {
            Self::Forwarded => true,
            Self::Dropped | Self::Audit => false,
        }
    }
}

/// The counters of one shadow policy. Only the pipeline's thread moves them.
#[derive(Debug, Default)]
pub struct Tally {
    /// By what was enforced, and whether it would pass.
    cells: [[AtomicU64; 2]; Enforced::ALL.len()],
    last: AtomicI64,
    since: i64,
}

/// What a tally says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections and denied flows it would have decided, by what was enforced: would be denied,
    /// would pass.
    pub cells: [[u64; 2]; Enforced::ALL.len()],
    /// When the last one was judged, Unix nanoseconds; 0 for never.
    pub last: i64,
    /// Since when is counted, Unix nanoseconds.
    pub since: i64,
}

impl Counts {
    /// All of them.
    pub fn matched(&self) -> u64 {
        self.cells.iter().flatten().sum()
    }

    /// Those that passed and would be dropped.
    pub const fn would_drop(&self) -> u64 {
        self.cells[Enforced::Forwarded as usize][0]
    }

    /// Those that were denied and would pass.
    pub const fn would_allow(&self) -> u64 {
        self.cells[Enforced::Dropped as usize][1] + self.cells[Enforced::Audit as usize][1]
    }
}

impl Tally {
    /// Nothing, from this Unix time in nanoseconds on.
    pub fn since(since: i64) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// Counts one. Loads and stores: there is one writer.
    #[inline]
    pub(super) fn add(&self, enforced: Enforced, passes: bool, time: i64) {
        let cell = &self.cells[enforced as usize][usize::from(passes)];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if time > self.last.load(Ordering::Relaxed) {
            self.last.store(time, Ordering::Relaxed);
        }
    }

    /// What it says.
    pub fn counts(&self) -> Counts {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counts {
            cells: self.cells.each_ref().map(|row| row.each_ref().map(load)),
            last: self.last.load(Ordering::Relaxed),
            since: self.since,
        }
    }
}

/// The tallies of the shadow policies of now, by `kind/namespace/name`; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tallies(Arc<RwLock<BTreeMap<String, Arc<Tally>>>>);

impl Tallies {
    /// Puts others in their place.
    pub fn replace(&self, tallies: BTreeMap<String, Arc<Tally>>) {
        *self.0.write() = tallies;
    }

    /// What is counted for a policy; `None` when it is no shadow policy.
    pub fn counts(&self, policy: &str) -> Option<Counts> {
        self.0.read().get(policy).map(|tally| tally.counts())
    }

    /// All, in order.
    pub fn sorted(&self) -> Vec<(String, Counts)> {
        let tallies = self.0.read();
        let counts = tallies.iter();
        counts
            .map(|(policy, tally)| (policy.clone(), tally.counts()))
            .collect()
    }
}
