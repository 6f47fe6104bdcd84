//! How often each rule and each policy decided, and when it last did.
//!
//! A hit is a verdict that was told: a connection opened or judged again is one, a denied packet is
//! one, so that an event about many drops is as many hits. Answers, progress and ends of a
//! connection are none: its verdict was counted when it fell. An audited denial is a hit of what
//! would have denied.
//!
//! The tallies hang on the shared [`Decision`](super::Decision): on the way of an event only numbers
//! move. They outlive directories, and are forgotten when the daemon ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use flowd_abi::EventKind;
use flowd_policy::{Effect, PolicyRef, RuleRef};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::flow::record::Judged;

/// Tallies kept, at most; past it, all others share one.
const BOUND: usize = 65_536;

/// Keys without room after a search for some that found none, before the next search.
const PAUSE: usize = 1_024;

/// The rule of a default deny, which no rule decided.
pub const DEFAULT_DENY: &str = "default_deny";

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A policy, as `kind/namespace/name`, whichever of its rules decided.
    Policy(String),
    /// A rule: its policy, its path and what it does.
    Rule(String, String, Effect),
    /// Numbers nobody can name any more.
    Unknown,
}

impl Key {
    /// By policy, then by rule.
    fn order(&self) -> (&str, &str) {
        match self {
            Self::Policy(policy) => (policy, ""),
            Self::Rule(policy, rule, _) => (policy, rule),
            Self::Unknown => ("", ""),
        }
    }

    /// The key of a policy.
    pub fn policy(policy: &PolicyRef) -> Self {
        Self::Policy(policy.to_string())
    }

    /// The key of a rule.
    pub fn rule(rule: &RuleRef) -> Self {
        Self::Rule(rule.policy.to_string(), rule.path(), rule.action)
    }

    /// The key of a policy's default deny.
    pub fn default_deny(policy: &PolicyRef) -> Self {
        Self::Rule(policy.to_string(), DEFAULT_DENY.to_owned(), Effect::Deny)
    }
}

/// One counter. Only the pipeline's thread moves it.
#[derive(Debug, Default)]
pub struct Tally {
    hits: AtomicU64,
    last: AtomicI64,
}

/// What a tally says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Hits so far.
    pub hits: u64,
    /// When the last one was judged, Unix nanoseconds; 0 for never.
    pub last: i64,
}

impl Tally {
    /// Counts `hits` at `time`. Loads and stores: there is one writer, and a locked addition for
    /// each event would cost more than the rest of the counting.
    #[inline]
    fn add(&self, hits: u64, time: i64) {
        let before = self.hits.load(Ordering::Relaxed);
        self.hits.store(before + hits, Ordering::Relaxed);
        if time > self.last.load(Ordering::Relaxed) {
            self.last.store(time, Ordering::Relaxed);
        }
    }

    /// What it says.
    pub fn count(&self) -> Count {
        Count {
            hits: self.hits.load(Ordering::Relaxed),
            last: self.last.load(Ordering::Relaxed),
        }
    }
}

/// The tallies of one decision.
#[derive(Debug, Default)]
pub struct Tallies(Vec<Arc<Tally>>);

impl Tallies {
    /// Counts the hits of an event.
    #[inline]
    pub fn count(&self, judged: &Judged, time: i64) {
        let hits = match judged.kind {
            EventKind::Open | EventKind::Verdict => 1,
            EventKind::Drop | EventKind::Drops => judged.event.sent_packets,
            EventKind::Reply | EventKind::Update | EventKind::Close => return,
        };
        for tally in &self.0 {
            tally.add(hits, time);
        }
    }
}

/// Tallies by key.
#[derive(Debug, Default)]
struct Kept {
    tallies: HashMap<Key, Arc<Tally>>,
    /// How many more keys go without a search for room.
    pause: usize,
}

/// All tallies.
#[derive(Debug)]
pub struct Hits {
    kept: Mutex<Kept>,
    other: Arc<Tally>,
    bound: usize,
}

impl Default for Hits {
    fn default() -> Self {
        Self::bounded(BOUND)
    }
}

impl Hits {
    /// At most `bound` tallies.
    pub fn bounded(bound: usize) -> Self {
        Self {
            kept: Mutex::default(),
            other: Arc::default(),
            bound,
        }
    }

    /// The tallies of these keys.
    pub fn tallies(&self, keys: impl IntoIterator<Item = Key>) -> Tallies {
        let mut kept = self.kept.lock();
        let tallies = keys.into_iter().map(|key| self.tally(&mut kept, key));
        Tallies(tallies.collect())
    }

    fn tally(&self, kept: &mut Kept, key: Key) -> Arc<Tally> {
        if let Some(tally) = kept.tallies.get(&key) {
            return tally.clone();
        }
        if kept.tallies.len() >= self.bound {
            if kept.pause > 0 {
                kept.pause -= 1;
                return self.other.clone();
            }
            self.make_room(&mut kept.tallies);
        }
        if kept.tallies.len() >= self.bound {
            kept.pause = PAUSE;
            return self.other.clone();
        }
        kept.tallies.entry(key).or_default().clone()
    }

    /// Forgets what no decision refers to, neither of the directory in use nor of a flow in the
    /// log; its hits stay in the sum.
    fn make_room(&self, tallies: &mut HashMap<Key, Arc<Tally>>) {
        tallies.retain(|_, tally| {
            let used = Arc::strong_count(tally) > 1;
            if !used {
                let count = tally.count();
                self.other.add(count.hits, count.last);
            }
            used
        });
    }

    /// What was counted under a key.
    pub fn count(&self, key: &Key) -> Count {
        let kept = self.kept.lock();
        kept.tallies
            .get(key)
            .map_or_else(Count::default, |tally| tally.count())
    }

    /// Everything that was hit, in order.
    pub fn sorted(&self) -> Vec<(Key, Count)> {
        let kept = self.kept.lock();
        let counts = kept
            .tallies
            .iter()
            .map(|(key, tally)| (key.clone(), tally.count()));
        let mut counts: Vec<_> = counts.filter(|(_, count)| count.hits > 0).collect();
        drop(kept);
        counts.sort_unstable_by(|one, other| one.0.order().cmp(&other.0.order()));
        counts
    }

    /// What had no room.
    pub fn other(&self) -> Count {
        self.other.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::Policy(name.to_owned())
    }

    #[test]
    fn past_the_bound_nothing_is_uncounted() {
        let hits = Hits::bounded(2);
        let kept = hits.tallies([key("a"), key("b"), key("c"), key("d")]);
        for tally in &kept.0 {
            tally.add(1, 5);
        }
        assert_eq!(hits.sorted().len(), 2);
        assert_eq!(hits.other(), Count { hits: 2, last: 5 });
        drop(kept);
        // For a while nobody looks for room.
        drop(hits.tallies((0..PAUSE - 1).map(|number| key(&format!("f{number}")))));
        let again = hits.tallies([key("e")]);
        again.0[0].add(7, 9);
        assert_eq!(hits.count(&key("e")), Count { hits: 7, last: 9 });
        assert_eq!(hits.other(), Count { hits: 4, last: 5 });
    }

    #[test]
    fn the_last_hit_does_not_go_back() {
        let tally = Tally::default();
        tally.add(1, 9);
        tally.add(1, 5);
        assert_eq!(tally.count(), Count { hits: 2, last: 9 });
    }
}
