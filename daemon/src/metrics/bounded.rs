//! Counters by a key that strangers choose: a bound on the keys, one counter for all the rest.

use std::hash::Hash;

use hashbrown::HashMap;

/// Counts by key; past the bound, new keys share one counter.
#[derive(Clone, Debug)]
pub struct BoundedCounts<K> {
    counts: HashMap<K, u64>,
    bound: usize,
    other: u64,
}

impl<K: Copy + Eq + Hash + Ord> BoundedCounts<K> {
    /// Counters for at most `bound` keys.
    pub fn new(bound: usize) -> Self {
        Self {
            counts: HashMap::with_capacity(bound),
            bound,
            other: 0,
        }
    }

    /// Counts one.
    #[inline]
    pub fn add(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
        } else if self.counts.len() < self.bound {
            self.counts.insert(key, 1);
        } else {
            self.other += 1;
        }
    }

    /// Every key with its count, in order.
    pub fn sorted(&self) -> Vec<(K, u64)> {
        let mut sorted: Vec<_> = self
            .counts
            .iter()
            .map(|(key, count)| (*key, *count))
            .collect();
        sorted.sort_unstable();
        sorted
    }

    /// What had no room.
    pub fn other(&self) -> u64 {
        self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_uncounted_past_the_bound() {
        let mut counts = BoundedCounts::new(3);
        for key in 0..10_u16 {
            counts.add(key);
            counts.add(0);
        }
        assert_eq!(counts.sorted(), [(0, 11), (1, 1), (2, 1)]);
        assert_eq!(counts.other(), 7);
    }
}
