//! How many series there may be, for how long, and of which plugins.

use std::collections::BTreeMap;

use super::plugin::{self, PluginSpec};

/// Lines of a scrape that a family takes, at most, unless it has a budget of its own.
pub const BUDGET: usize = 2_000;
/// Seconds without a move after which a series makes room, by default.
pub const IDLE: i64 = 3_600;
/// Seconds that the series of a workload stay after it went, by default.
pub const STALE: i64 = 60;

/// The plugins there are without a configuration: Hubble's with the fewest series, and who is
/// dropped and who connects by workload.
pub const DEFAULT_PLUGINS: &str = "flow flows-to-world icmp policy port-distribution tcp \
    drop:sourceContext=workload|pod|reserved-identity;destinationContext=workload|pod|reserved-identity \
    connection:sourceContext=workload|pod|reserved-identity;destinationContext=workload|pod|reserved-identity";

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Lines of a scrape that a family takes, at most.
    pub budget: usize,
    /// Other budgets, by family.
    pub budgets: BTreeMap<String, usize>,
    /// Seconds without a move after which a series may make room for others.
    pub idle: i64,
    /// Seconds that the series of a workload stay after it went.
    pub stale: i64,
    /// The plugins.
    pub plugins: Vec<PluginSpec>,
    /// Whether `cilium_version` is there, which Hubble's own dashboards ask for their `cluster`.
    pub cilium_version: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: BUDGET,
            budgets: BTreeMap::new(),
            idle: IDLE,
            stale: STALE,
            plugins: plugin::parse(DEFAULT_PLUGINS).unwrap_or_default(),
            cilium_version: false,
        }
    }
}

impl Settings {
    /// The budget of a family.
    pub fn budget(&self, family: &str) -> usize {
        self.budgets.get(family).copied().unwrap_or(self.budget)
    }
}
