//! The section `metrics` of the file: an address, or where to listen, what to count and how much of it.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::metrics::{
    Settings, catalog,
    plugin::{Kind, Options, parse_list},
};

/// The least budget a family can have: the longest histogram fits twice.
const LEAST_BUDGET: usize = 64;
/// The largest: a scrape of a few hundred megabytes.
const LARGEST_BUDGET: usize = 1_000_000;

/// As written in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct FileMetrics {
    pub(super) listen: Option<SocketAddr>,
    section: Section,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    listen: Option<SocketAddr>,
    budget: Option<usize>,
    budgets: BTreeMap<String, usize>,
    idle: Option<u32>,
    stale: Option<u32>,
    plugins: Option<Value>,
    cilium_version: bool,
}

impl<'de> Deserialize<'de> for FileMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = FileMetrics;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an address, or listen, budget, budgets, idle, stale and plugins")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FileMetrics, E> {
                let listen = text.parse().map_err(|_| {
                    E::custom(format!(
                        "metrics: {text} is no address such as 127.0.0.1:9965"
                    ))
                })?;
                Ok(FileMetrics {
                    listen: Some(listen),
                    section: Section::default(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileMetrics, A::Error> {
                let section = Section::deserialize(MapAccessDeserializer::new(map))?;
                Ok(FileMetrics {
                    listen: section.listen,
                    section,
                })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl FileMetrics {
    /// What is to be counted; `problems` takes what is wrong, with the way out.
    pub(super) fn settings(self, problems: &mut Vec<String>) -> Settings {
        let section = self.section;
        let mut settings = Settings::default();
        if let Some(list) = section.plugins {
            match parse_list(&list) {
                Ok(plugins) => settings.plugins = plugins,
                Err(error) => problems.push(format!("metrics.plugins: {error}")),
            }
        }
        if let Some(budget) = section.budget {
            check_budget("metrics.budget", budget, problems);
            settings.budget = budget;
        }
        let families = families();
        for (family, budget) in &section.budgets {
            check_budget(&format!("metrics.budgets.{family}"), *budget, problems);
            if !families.contains(&family.as_str()) {
                let known = families.join(", ");
                problems.push(format!(
                    "metrics.budgets: unknown family {family}; there are {known}"
                ));
            }
        }
        settings.budgets = section.budgets;
        for (name, seconds, setting) in [
            ("idle", section.idle, &mut settings.idle),
            ("stale", section.stale, &mut settings.stale),
        ] {
            if seconds == Some(0) {
                problems.push(format!("metrics.{name}: must be at least 1 second"));
            }
            *setting = seconds.map_or(*setting, i64::from);
        }
        settings.cilium_version = section.cilium_version;
        settings
    }
}

fn check_budget(name: &str, budget: usize, problems: &mut Vec<String>) {
    if !(LEAST_BUDGET..=LARGEST_BUDGET).contains(&budget) {
        problems.push(format!(
            "{name}: {budget} is not between {LEAST_BUDGET} and {LARGEST_BUDGET}"
        ));
    }
}

/// The families that have a budget.
fn families() -> Vec<&'static str> {
    let all = Kind::ALL.into_iter();
    let all = all.flat_map(|kind| catalog::families(kind, Options::default()));
    all.map(|family| family.name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, Flags, tests::loaded};
    use super::*;

    fn refused(text: &str, parts: &[&str]) {
        let error = loaded(text, Flags::default())
            .expect_err("invalid")
            .to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    fn good(text: &str) -> Config {
        let config: Result<Config, ConfigError> = loaded(text, Flags::default());
        config.expect("valid")
    }

    #[test]
    fn the_section_is_an_address_or_more() {
        let short = good("metrics: 127.0.0.1:1\n");
        assert_eq!(short.metrics.port(), 1);
        assert_eq!(short.counting, Settings::default());
        let long = good(
            "metrics:\n  listen: 127.0.0.1:2\n  budget: 500\n  budgets: {hubble_drop_total: 900}\n  \
             idle: 30\n  stale: 1\n  cilium_version: true\n  plugins:\n  \
             - drop:sourceContext=pod|ip;labelsContext=source_namespace\n  \
             - {name: flow, excludeFilters: [{verdict: [AUDIT]}]}\n",
        );
        assert_eq!(long.metrics.port(), 2);
        let counting = &long.counting;
        assert_eq!(
            (counting.budget("hubble_drop_total"), counting.budget("x")),
            (900, 500)
        );
        assert_eq!((counting.idle, counting.stale), (30, 1));
        assert_eq!(counting.plugins.len(), 2);
        assert_eq!(counting.plugins[1].exclude.len(), 1);
        assert!(counting.cilium_version);
    }

    #[test]
    fn the_file_that_is_shipped_says_the_defaults() {
        let text = include_str!("../../../deploy/config/flowd.yaml");
        assert_eq!(good(text).counting, Settings::default());
    }

    #[test]
    fn one_string_is_a_list_as_for_hubble() {
        let config = good("metrics: {plugins: 'drop tcp\tflow:sourceContext=pod'}\n");
        assert_eq!(config.counting.plugins.len(), 3);
        assert_eq!(config.metrics.port(), 9965);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_way_out() {
        refused("metrics: here\n", &["here", "127.0.0.1:9965"]);
        refused(
            "web: 127.0.0.1:1\nmetrics: {bugdet: 3}\n",
            &["flowd.yaml:2", "bugdet"],
        );
        refused(
            "metrics: {budget: 3, budgets: {hubble_dorp_total: 100}, stale: 0}\n",
            &["metrics.budget: 3", "hubble_drop_total", "metrics.stale"],
        );
        refused(
            "metrics: {plugins: [drop:sourceContext=pot]}\n",
            &["metrics.plugins", "pot", "pod-name"],
        );
    }
}
