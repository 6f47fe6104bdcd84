//! The series of the plugins as families of a scrape. The numbers are copied while the pipeline
//! waits; names are made afterwards.

use std::borrow::Cow;

use prometheus::proto::MetricFamily;

use super::announced::{Announced, announced as of_plugin};
use super::catalog::{self, Numbers};
use super::contexts::Values;
use super::engine::Engine;
use super::family::{self, number};
use super::table::Ledger;

/// The label value of what has no series of its own.
const OTHER: &str = "other";

/// One family as it is now.
#[derive(Debug)]
pub struct Snapshot {
    family: &'static catalog::Family,
    group: usize,
    rows: Vec<(u32, u32)>,
    values: Vec<u64>,
    other: Option<Vec<u64>>,
    ledger: Ledger,
    lines: [usize; 2],
}

/// All families as they are now.
#[derive(Debug, Default)]
pub struct Snapshots {
    families: Vec<Snapshot>,
    groups: Vec<(Vec<&'static str>, Vec<Option<Values>>)>,
    announced: Vec<Announced>,
}

impl Snapshots {
    /// Copies the numbers.
    pub fn of(engine: &Engine) -> Self {
        let groups = engine.groups.iter();
        let mut announced: Vec<Announced> = Vec::new();
        let mut families = Vec::new();
        for plugin in &engine.plugins {
            for family in of_plugin(plugin.spec.kind) {
                if !announced.contains(family) {
                    announced.push(*family);
                }
            }
            for table in &plugin.tables {
                let rows = table.rows().map(|row| (row.context, row.cell));
                families.push(Snapshot {
                    family: table.family,
                    group: plugin.group,
                    rows: rows.collect(),
                    values: table.rows().flat_map(|row| row.values).copied().collect(),
                    other: table.other().map(<[u64]>::to_vec),
                    ledger: table.ledger(),
                    lines: table.lines(),
                });
            }
        }
        Self {
            families,
            groups: groups
                .map(|group| (group.spec.names(), group.values()))
                .collect(),
            announced,
        }
    }

    /// Families that have no series yet: name, help and type.
    pub fn announced(&self) -> Vec<Announced> {
        let empty = self
            .families
            .iter()
            .filter(|one| one.rows.is_empty() && one.other.is_none());
        let empty = empty.map(|one| {
            let kind = match one.family.numbers {
                Numbers::Counter => "counter",
                Numbers::Histogram { .. } => "histogram",
            };
            (one.family.name, one.family.help, kind)
        });
        empty.chain(self.announced.iter().copied()).collect()
    }

    /// The families, and how they keep to their budgets.
    pub fn families(&self) -> Vec<MetricFamily> {
        let own = self
            .families
            .iter()
            .map(|one| one.build(&self.groups[one.group]));
        own.chain(self.budgets())
            .filter_map(family::Family::finish)
            .collect()
    }

    fn budgets(&self) -> [family::Family; 5] {
        type Column = (&'static str, &'static str, bool, fn(&Snapshot) -> u64);
        const COLUMNS: [Column; 5] = [
            (
                "flowd_metrics_series",
                "Series of a family of the plugins, the lines of histograms counted one by one.",
                false,
                |one| one.lines[0] as u64,
            ),
            (
                "flowd_metrics_series_budget",
                "Series the family may have at most.",
                false,
                |one| one.lines[1] as u64,
            ),
            (
                "flowd_metrics_series_folded_total",
                "Events counted in the series other, since the family was at its budget.",
                true,
                |one| one.ledger.folded,
            ),
            (
                "flowd_metrics_series_removed_total",
                "Label sets removed: the workload went, or nothing moved them for long.",
                true,
                |one| one.ledger.removed,
            ),
            (
                "flowd_metrics_removed_events_total",
                "Events that were counted in label sets removed since.",
                true,
                |one| one.ledger.removed_events,
            ),
        ];
        COLUMNS.map(|(name, help, counter, column)| {
            let mut family = if counter {
                family::Family::counter(name, help)
            } else {
                family::Family::gauge(name, help)
            };
            for one in &self.families {
                family.push(&[("family", one.family.name)], number(column(one)));
            }
            family
        })
    }
}

impl Snapshot {
    fn build(&self, group: &(Vec<&'static str>, Vec<Option<Values>>)) -> family::Family {
        let (names, contexts) = group;
        let mut built = match self.family.numbers {
            Numbers::Counter => family::Family::counter(self.family.name, self.family.help),
            Numbers::Histogram { .. } => {
                family::Family::histogram(self.family.name, self.family.help)
            }
        };
        let stride = self.family.stride();
        for ((context, cell), values) in self.rows.iter().zip(self.values.chunks_exact(stride)) {
            let cells = (self.family.values)(*cell);
            let who = contexts.get(*context as usize).and_then(Option::as_ref);
            let who = who.into_iter().flat_map(|values| values.iter());
            let mut labels: Vec<(&str, &str)> =
                names.iter().copied().zip(who.map(AsRef::as_ref)).collect();
            let cells = cells.iter().map(Cow::as_ref);
            labels.extend(self.family.labels.iter().copied().zip(cells));
            self.push(&mut built, &labels, values);
        }
        if let Some(values) = &self.other {
            let all = names.iter().chain(self.family.labels);
            let labels: Vec<(&str, &str)> = all.map(|name| (*name, OTHER)).collect();
            self.push(&mut built, &labels, values);
        }
        built
    }

    fn push(&self, built: &mut family::Family, labels: &[(&str, &str)], values: &[u64]) {
        match (self.family.numbers, values) {
            (Numbers::Counter, values) => {
                built.push_moved(labels, values.first().copied().unwrap_or_default());
            }
            (Numbers::Histogram { bounds, scale }, [buckets @ .., sum]) => {
                built.push_histogram(labels, bounds, scale, buckets, *sum);
            }
            (Numbers::Histogram { .. }, []) => {}
        }
    }
}
