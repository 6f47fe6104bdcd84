//! How far an answer reaches: what there was, what was asked for, what went in between.

use flowd_proto::flowd::v1::{Coverage, SequenceRange};

use super::flow::timestamp;
use crate::flow::{Gap, Log};

/// Runs of lost flows that are told one by one.
const MAX_RANGES: usize = 64;

/// The reach of an answer, while it is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    oldest_seq: u64,
    oldest_time: Option<i64>,
    from: u64,
    since: Option<i64>,
    until: Option<i64>,
    gaps: Vec<Gap>,
    lost: u64,
}

impl Reach {
    /// Of an answer that begins at flow `from`.
    pub(crate) fn of(log: &Log, from: u64, since: Option<i64>, until: Option<i64>) -> Self {
        Self {
            oldest_seq: log.oldest(),
            oldest_time: log.oldest_time(),
            from,
            since,
            until,
            gaps: Vec::new(),
            lost: 0,
        }
    }

    /// Notes flows that had gone before they could be looked at.
    pub(crate) fn lose(&mut self, gap: Gap) {
        self.lost += gap.flows();
        let full = self.gaps.len() >= MAX_RANGES;
        match self.gaps.last_mut() {
            Some(last) if full || last.to == gap.from => last.to = gap.to,
            _ => self.gaps.push(gap),
        }
    }

    /// The message, of an answer that has come to flow `to`.
    pub(crate) fn message(&self, to: u64) -> Coverage {
        let gone = self.oldest_seq > 0;
        let asked_before = match (self.since, self.oldest_time) {
            (Some(since), Some(oldest)) => since < oldest,
            (Some(_), None) | (None, _) => false,
        };
        Coverage {
            oldest_seq: self.oldest_seq,
            oldest_time: self.oldest_time.map(timestamp),
            from_seq: self.from,
            to_seq: to,
            since: self.since.map(timestamp),
            until: self.until.map(timestamp),
            begins_too_late: gone && asked_before,
            lost: self.lost,
            lost_ranges: self
                .gaps
                .iter()
                .map(|gap| SequenceRange {
                    from: gap.from,
                    to: gap.to,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_told_one_by_one_up_to_a_bound() {
        let mut reach = Reach::default();
        reach.lose(Gap { from: 0, to: 5 });
        reach.lose(Gap { from: 5, to: 7 });
        for number in 1..200 {
            let from = number * 10;
            reach.lose(Gap { from, to: from + 1 });
        }
        let told = reach.message(2_000);
        assert_eq!(told.lost, 7 + 199);
        assert_eq!(told.lost_ranges.len(), MAX_RANGES);
        assert_eq!(told.lost_ranges[0], SequenceRange { from: 0, to: 7 });
        assert_eq!(told.lost_ranges[MAX_RANGES - 1].to, 1_991);
    }
}
