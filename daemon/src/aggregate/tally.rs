//! Traffic by group, of a bounded number of groups: when there are too many, the smaller half goes
//! into `other`, so that the sums stay exact and the largest groups stay.

use std::cmp::Reverse;
use std::hash::Hash;

use flowd_proto::flowd::v1::{TopOrder, Traffic};
use hashbrown::HashMap;

/// Sums by group.
#[derive(Debug)]
pub(super) struct Tally<G> {
    order: TopOrder,
    /// Groups kept, at most.
    bound: usize,
    groups: HashMap<G, Traffic>,
    /// What was shed.
    shed: Traffic,
    shed_groups: u64,
    /// By how much a group that is kept may be too low.
    lack: u64,
    total: Traffic,
}

/// What a tally comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sums<G> {
    /// The largest groups.
    pub(super) rows: Vec<(G, Traffic)>,
    /// All others.
    pub(super) other: Traffic,
    pub(super) other_groups: u64,
    pub(super) total: Traffic,
    pub(super) shed_groups: u64,
    pub(super) lack: u64,
}

/// Adds to a sum.
pub(super) fn add(sum: &mut Traffic, part: &Traffic) {
    for (sum, part) in [
        (&mut sum.flows, part.flows),
        (&mut sum.sent_packets, part.sent_packets),
        (&mut sum.sent_bytes, part.sent_bytes),
        (&mut sum.received_packets, part.received_packets),
        (&mut sum.received_bytes, part.received_bytes),
        (&mut sum.dropped_packets, part.dropped_packets),
        (&mut sum.dropped_bytes, part.dropped_bytes),
    ] {
        *sum = sum.saturating_add(part);
    }
}

/// What groups are put in order by.
pub(super) const fn measure(traffic: &Traffic, order: TopOrder) -> u64 {
    match order {
        TopOrder::Unspecified => traffic.sent_bytes.saturating_add(traffic.received_bytes),
        TopOrder::Packets => traffic
            .sent_packets
            .saturating_add(traffic.received_packets),
        TopOrder::Flows => traffic.flows,
        TopOrder::Drops => traffic.dropped_packets,
    }
}

impl<G: Copy + Eq + Hash + Ord> Tally<G> {
    /// Of at most `bound` groups.
    pub(super) fn new(order: TopOrder, bound: usize) -> Self {
        Self {
            order,
            bound,
            groups: HashMap::new(),
            shed: Traffic::default(),
            shed_groups: 0,
            lack: 0,
            total: Traffic::default(),
        }
    }

    /// Adds to a group.
    pub(super) fn add(&mut self, group: G, part: &Traffic) {
        add(&mut self.total, part);
        if let Some(sum) = self.groups.get_mut(&group) {
            add(sum, part);
            return;
        }
        if self.groups.len() >= self.bound {
            self.shed();
        }
        self.groups.insert(group, *part);
    }

    /// Makes room for as many groups as it keeps.
    fn shed(&mut self) {
        let mut smaller: Vec<(u64, G)> = self
            .groups
            .iter()
            .map(|(group, sum)| (measure(sum, self.order), *group))
            .collect();
        let half = smaller.len().div_ceil(2);
        if half < smaller.len() {
            smaller.select_nth_unstable(half);
            smaller.truncate(half);
        }
        let largest = smaller.iter().map(|(measure, _)| *measure).max();
        self.lack = self.lack.saturating_add(largest.unwrap_or(0));
        self.shed_groups += smaller.len() as u64;
        for (_, group) in smaller {
            if let Some(sum) = self.groups.remove(&group) {
                add(&mut self.shed, &sum);
            }
        }
    }

    /// The `number` largest groups and what the others add up to.
    pub(super) fn into_sums(self, number: usize) -> Sums<G> {
        let mut rows: Vec<(G, Traffic)> = self.groups.into_iter().collect();
        rows.sort_unstable_by_key(|(group, sum)| (Reverse(measure(sum, self.order)), *group));
        let mut other = self.shed;
        let rest = rows.split_off(rows.len().min(number));
        rest.iter().for_each(|(_, sum)| add(&mut other, sum));
        Sums {
            rows,
            other,
            other_groups: rest.len() as u64 + self.shed_groups,
            total: self.total,
            shed_groups: self.shed_groups,
            lack: self.lack,
        }
    }
}
