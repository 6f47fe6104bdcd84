//! `flowd_rule_hits_total`: how often each rule decided.

use std::sync::Arc;

use flowd_policy::Effect;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::enrich::Hits;
use crate::enrich::hits::Key;

/// Rules that get a series of their own; all others are counted as `other`.
const SERIES: usize = 2_048;

/// Collects the hits of rules.
#[derive(Debug)]
pub struct RuleCollector {
    hits: Arc<Hits>,
    series: usize,
    desc: Option<Desc>,
}

impl RuleCollector {
    /// Over these hits.
    pub fn new(hits: Arc<Hits>) -> Self {
        Self::bounded(hits, SERIES)
    }

    fn bounded(hits: Arc<Hits>, series: usize) -> Self {
        Self {
            hits,
            series,
            desc: describe("flowd_rule_hits_total"),
        }
    }
}

impl Collector for RuleCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = Family::counter(
            "flowd_rule_hits_total",
            "Told verdicts by the rule that decided: connections opened or judged again, and denied \
             packets. Rules past the bound on series are counted as other.",
        );
        let (mut series, mut other) = (0, self.hits.other().hits);
        for (key, count) in self.hits.sorted() {
            let (policy, rule, action) = match key {
                // A sum over its rules, which are there one by one.
                Key::Policy(_) => continue,
                Key::Rule(policy, rule, Effect::Allow) => (policy, rule, "allow"),
                Key::Rule(policy, rule, Effect::Deny) => (policy, rule, "deny"),
                Key::Rule(policy, rule, Effect::Pass) => (policy, rule, "pass"),
                Key::Unknown => ("unknown".to_owned(), "unknown".to_owned(), "unknown"),
            };
            if series >= self.series {
                other += count.hits;
                continue;
            }
            series += 1;
            let labels = [("policy", &*policy), ("rule", &*rule), ("action", action)];
            family.push(&labels, number(count.hits));
        }
        let labels = [("policy", "other"), ("rule", "other"), ("action", "other")];
        family.push_moved(&labels, other);
        family.finish().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use flowd_abi::Event;

    use super::*;
    use crate::flow::testing::{World, dropped, open, reply};

    fn text(hits: &Arc<Hits>, series: usize) -> String {
        let families = RuleCollector::bounded(hits.clone(), series).collect();
        prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .unwrap()
    }

    #[test]
    fn rules_count_openings_and_denied_packets() {
        let mut world = World::new(100);
        let flood = Event {
            sent_packets: 9,
            kind: flowd_abi::EventKind::Drops as u8,
            ..dropped()
        };
        world.tell(&[open(), reply(), open(), dropped(), flood]);
        // A swap of names changes no count.
        let same = crate::enrich::Directory::clone(&world.sources.directory.snapshot());
        world.sources.directory.store(same);
        world.tell(&[open()]);
        let hits = world.sources.flows.hits();
        let policy = "CiliumNetworkPolicy/shop/front";
        let all = text(hits, 10);
        for line in [
            format!(
                "flowd_rule_hits_total{{action=\"allow\",policy=\"{policy}\",rule=\"spec.egress[1]\"}} 3\n"
            ),
            format!(
                "flowd_rule_hits_total{{action=\"deny\",policy=\"{policy}\",rule=\"default_deny\"}} 10\n"
            ),
        ] {
            assert!(all.contains(&line), "{line} is missing in\n{all}");
        }
        assert!(text(hits, 1).contains("policy=\"other\",rule=\"other\"} 3\n"));
        let of_policy = hits.count(&Key::Policy(policy.to_owned()));
        assert_eq!(of_policy.hits, 13);
        assert_eq!(of_policy.last, crate::flow::testing::OFFSET + 1_000);
    }
}
