//! The series of one family: numbers by label set, as many as the budget allows, one more for all
//! the rest.
//!
//! A label set is two small numbers, the context (who) and the cell (what). Where there are few
//! cells, one array look-up finds a series.

use hashbrown::HashMap;

use super::catalog::{Cells, Family};
use super::contexts::OTHER;

/// No series here yet.
const NONE: u32 = u32::MAX;

/// From a label set to its series.
#[derive(Debug)]
enum Index {
    /// By context × cells + cell.
    Dense { cells: u32, slots: Vec<u32> },
    /// By context and cell.
    Sparse(HashMap<(u32, u32), u32>),
}

/// The label set of a series, and when it last moved.
#[derive(Clone, Copy, Debug)]
struct Entry {
    context: u32,
    cell: u32,
    live: bool,
    /// Its count when it was last looked at.
    seen: u64,
    /// When it was last seen to have moved, in seconds.
    moved: i64,
}

/// What became of what has no series of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Events counted in the series `other`.
    pub folded: u64,
    /// Series removed: their workload went, or nothing moved them for long.
    pub removed: u64,
    /// Events that were counted in removed series.
    pub removed_events: u64,
}

/// One series, as it is when it is scraped.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Who, as a number of the group.
    pub context: u32,
    /// What, as a number of the family.
    pub cell: u32,
    /// One number of a counter; of a histogram its buckets, then its sum.
    pub values: &'a [u64],
}

/// The series of one family.
#[derive(Debug)]
pub struct Table {
    /// Which family.
    pub family: &'static Family,
    index: Index,
    entries: Vec<Entry>,
    values: Vec<u64>,
    free: Vec<u32>,
    stride: usize,
    capacity: usize,
    other: Box<[u64]>,
    ledger: Ledger,
    /// Whether its series are few and known beforehand, so that none is ever removed.
    fixed: bool,
}

impl Table {
    /// No series yet; `budget` counts the lines of a scrape, the series `other` among them.
    pub fn new(family: &'static Family, budget: usize, has_contexts: bool) -> Self {
        let stride = family.stride();
        let (index, fixed) = match family.cells {
            Cells::Few(cells) => {
                let slots = Vec::new();
                (Index::Dense { cells, slots }, !has_contexts)
            }
            Cells::Many => (Index::Sparse(HashMap::new()), false),
        };
        Self {
            family,
            index,
            entries: Vec::new(),
            values: Vec::new(),
            free: Vec::new(),
            stride,
            capacity: (budget / family.lines()).saturating_sub(1),
            other: vec![0; stride].into(),
            ledger: Ledger::default(),
            fixed,
        }
    }

    /// Counts `count` more.
    #[inline]
    pub fn add(&mut self, context: u32, cell: u32, count: u64) {
        match self.slot(context, cell) {
            Some(slot) => self.values[slot * self.stride] += count,
            None => {
                self.other[0] += count;
                self.ledger.folded += 1;
            }
        }
    }

    /// Takes `value` into a histogram with these upper bounds.
    #[inline]
    pub fn observe(&mut self, context: u32, cell: u32, value: u64, bounds: &[u64]) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        let values = match self.slot(context, cell) {
            Some(slot) => &mut self.values[slot * self.stride..][..self.stride],
            None => {
                self.ledger.folded += 1;
                &mut self.other[..]
            }
        };
        values[bucket] += 1;
        if let Some(sum) = values.last_mut() {
            *sum = sum.saturating_add(value);
        }
    }

    #[inline]
    fn slot(&mut self, context: u32, cell: u32) -> Option<usize> {
        if context == OTHER {
            return None;
        }
        let found = match &self.index {
            Index::Dense { cells, slots } => {
                let at = context as usize * *cells as usize + cell as usize;
                slots.get(at).copied().filter(|slot| *slot != NONE)
            }
            Index::Sparse(slots) => slots.get(&(context, cell)).copied(),
        };
        match found {
            Some(slot) => Some(slot as usize),
            None => self.admit(context, cell),
        }
    }

    #[cold]
    fn admit(&mut self, context: u32, cell: u32) -> Option<usize> {
        let entry = Entry {
            context,
            cell,
            live: true,
            seen: 0,
            moved: i64::MIN,
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else if self.entries.len() < self.capacity {
            let slot = u32::try_from(self.entries.len()).ok()?;
            self.entries.push(entry);
            self.values.resize(self.values.len() + self.stride, 0);
            slot
        } else {
            return None;
        };
        match &mut self.index {
            Index::Dense { cells, slots } => {
                let at = context as usize * *cells as usize + cell as usize;
                let end = (context as usize + 1) * *cells as usize;
                if slots.len() < end {
                    slots.resize(end, NONE);
                }
                slots[at] = slot;
            }
            Index::Sparse(slots) => {
                slots.insert((context, cell), slot);
            }
        }
        Some(slot as usize)
    }

    /// Removes what has not moved for `idle` seconds, once more than half of the room is taken.
    pub fn forget_idle(&mut self, now: i64, idle: i64) {
        let crowded = self.live() * 2 > self.capacity;
        for slot in 0..self.entries.len() {
            let total = self.total(slot);
            let entry = &mut self.entries[slot];
            if !entry.live {
                continue;
            }
            if entry.seen != total || entry.moved == i64::MIN {
                (entry.seen, entry.moved) = (total, now);
            } else if crowded && !self.fixed && now.saturating_sub(entry.moved) >= idle {
                self.remove(slot);
            }
        }
    }

    /// Removes the series of contexts that are marked.
    pub fn forget_contexts(&mut self, marked: &[bool]) {
        for slot in 0..self.entries.len() {
            let entry = &self.entries[slot];
            if entry.live && marked.get(entry.context as usize) == Some(&true) {
                self.remove(slot);
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        self.ledger.removed += 1;
        self.ledger.removed_events += self.total(slot);
        let entry = &mut self.entries[slot];
        entry.live = false;
        let (context, cell) = (entry.context, entry.cell);
        match &mut self.index {
            Index::Dense { cells, slots } => {
                slots[context as usize * *cells as usize + cell as usize] = NONE;
            }
            Index::Sparse(slots) => {
                slots.remove(&(context, cell));
            }
        }
        self.values[slot * self.stride..][..self.stride].fill(0);
        self.free.extend(u32::try_from(slot));
    }

    /// Events counted in a series.
    fn total(&self, slot: usize) -> u64 {
        let values = &self.values[slot * self.stride..][..self.stride];
        match values {
            [count] => *count,
            [buckets @ .., _sum] => buckets.iter().sum(),
            [] => 0,
        }
    }

    fn live(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Marks the contexts that have a series here.
    pub fn mark(&self, used: &mut [bool]) {
        for entry in self.entries.iter().filter(|entry| entry.live) {
            if let Some(used) = used.get_mut(entry.context as usize) {
                *used = true;
            }
        }
    }

    /// Its series, without `other`.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let values = self.values.chunks_exact(self.stride);
        let entries = self.entries.iter().zip(values);
        let live = entries.filter(|(entry, _)| entry.live);
        live.map(|(entry, values)| Row {
            context: entry.context,
            cell: entry.cell,
            values,
        })
    }

    /// The series `other`, once something was counted there.
    pub fn other(&self) -> Option<&[u64]> {
        (self.ledger.folded > 0).then_some(&*self.other)
    }

    /// Lines of a scrape it takes now, and at most.
    pub fn lines(&self) -> [usize; 2] {
        let taken = self.live() + usize::from(self.ledger.folded > 0);
        [taken, self.capacity + 1].map(|series| series * self.family.lines())
    }

    /// What has no series of its own.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::{CONNECTION_DURATION, PORT_DISTRIBUTION, TCP_FLAGS};
    use super::*;

    fn sum(table: &Table) -> u64 {
        let own: u64 = table.rows().map(|row| row.values[0]).sum();
        own + table.other().map_or(0, |other| other[0]) + table.ledger().removed_events
    }

    #[test]
    fn past_the_budget_one_series_takes_all_the_rest() {
        let mut table = Table::new(&PORT_DISTRIBUTION, 11, false);
        for round in 0..3 {
            for port in 0..100 {
                table.add(0, port, 1);
            }
            assert_eq!(sum(&table), (round + 1) * 100);
        }
        assert_eq!((table.rows().count(), table.lines()), (10, [11, 11]));
        assert_eq!(table.ledger().folded, 270);
    }

    #[test]
    fn the_lines_of_a_histogram_count_against_the_budget() {
        let mut table = Table::new(&CONNECTION_DURATION, 100, true);
        for context in 0..100 {
            table.observe(context, 0, 5_000, &[1_000, 10_000]);
        }
        let [taken, most] = table.lines();
        assert!(taken == most && most <= 100, "{taken} of {most}");
        assert!(table.rows().count() >= 2);
    }

    #[test]
    fn the_idle_make_room_when_it_gets_narrow() {
        let mut table = Table::new(&PORT_DISTRIBUTION, 11, false);
        for port in 0..4 {
            table.add(0, port, 1);
        }
        table.forget_idle(0, 60);
        table.forget_idle(1_000, 60);
        assert_eq!(table.rows().count(), 4, "there is room");
        for port in 4..20 {
            table.add(0, port, 1);
        }
        table.add(0, 2, 1);
        table.forget_idle(1_010, 60);
        let left: Vec<u32> = table.rows().map(|row| row.cell).collect();
        assert_eq!(left.len(), 7);
        assert!(left.contains(&2) && !left.contains(&3));
        assert_eq!(sum(&table), 21);
        table.add(0, 50, 1);
        assert_eq!((table.rows().count(), sum(&table)), (8, 22));
    }

    #[test]
    fn few_known_series_stay() {
        let mut table = Table::new(&TCP_FLAGS, 5, false);
        for cell in 0..4 {
            table.add(0, cell, 1);
        }
        table.forget_idle(0, 1);
        table.forget_idle(100, 1);
        assert_eq!(table.rows().count(), 4);
    }

    #[test]
    fn a_context_that_went_takes_its_series_along() {
        let mut table = Table::new(&TCP_FLAGS, 100, true);
        for context in [0, 1] {
            for cell in 0..4 {
                table.add(context, cell, 1);
            }
        }
        table.forget_contexts(&[true, false]);
        let mut used = [false; 2];
        table.mark(&mut used);
        assert_eq!(used, [false, true]);
        assert_eq!((table.rows().count(), sum(&table)), (4, 8));
        table.add(0, 1, 5);
        let row = table.rows().find(|row| row.context == 0).unwrap();
        assert_eq!(row.values, [5]);
    }
}
