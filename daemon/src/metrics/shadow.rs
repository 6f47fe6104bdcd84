//! `flowd_shadow_verdicts_total`: what shadow policies would have decided, against what was enforced.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe};
use crate::shadow::{Enforced, Tallies};

const NAME: &str = "flowd_shadow_verdicts_total";

/// Shadow policies that get series of their own; all others are counted as `other`.
const POLICIES: usize = 256;

/// Collects the tallies of shadow policies.
#[derive(Debug)]
pub struct ShadowCollector {
    tallies: Tallies,
    policies: usize,
    desc: Option<Desc>,
}

impl ShadowCollector {
    /// Over these tallies.
    pub fn new(tallies: Tallies) -> Self {
        Self::bounded(tallies, POLICIES)
    }

    fn bounded(tallies: Tallies, policies: usize) -> Self {
        Self {
            tallies,
            policies,
            desc: describe(NAME),
        }
    }
}

impl Collector for ShadowCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = Family::counter(
            NAME,
            "Connections and denied flows a shadow policy would have decided, by what was enforced \
             and what it would have done. A policy that changes starts over.",
        );
        let mut other = [[0; 2]; Enforced::ALL.len()];
        for (place, (policy, counts)) in self.tallies.sorted().into_iter().enumerate() {
            if place < self.policies {
                push(&mut family, &policy, &counts.cells);
                continue;
            }
            for (sums, cells) in other.iter_mut().zip(counts.cells) {
                for (sum, cell) in sums.iter_mut().zip(cells) {
                    *sum += cell;
                }
            }
        }
        push(&mut family, "other", &other);
        family.finish().into_iter().collect()
    }
}

fn push(family: &mut Family, policy: &str, cells: &[[u64; 2]; Enforced::ALL.len()]) {
    for enforced in Enforced::ALL {
        let [denied, passed] = cells[enforced as usize];
        for (shadow, count) in [("dropped", denied), ("forwarded", passed)] {
            let labels = [
                ("policy", policy),
                ("enforced", enforced.name()),
                ("shadow", shadow),
            ];
            family.push_moved(&labels, count);
        }
    }
}
