//! The ledger: every verdict counted, and what became of telling it.

use anyhow::Result;
use flowd_testbed::Metrics;

/// The counters of one verdict, reason and direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) verdict: String,
    pub(crate) reason: String,
    pub(crate) direction: String,
    pub(crate) packets: f64,
    pub(crate) told: f64,
    pub(crate) coalesced: f64,
    pub(crate) deferred: f64,
    pub(crate) recovered: f64,
}

/// One reading.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) rows: Vec<Row>,
    pub(crate) pending: f64,
    pub(crate) lost: f64,
}

impl Ledger {
    pub(crate) fn read(metrics: &Metrics) -> Result<Self> {
        let family = "flowd_ledger_packets_total";
        anyhow::ensure!(metrics.has(family), "/metrics has no {family}");
        let rows = metrics
            .sum_by(family, &["verdict", "reason", "direction"])
            .into_iter()
            .filter(|(_, packets)| *packets > 0.0)
            .map(|(key, packets)| row(metrics, &key, packets))
            .collect();
        Ok(Self {
            rows,
            pending: metrics.sum("flowd_ledger_pending", &[]),
            lost: metrics.sum("flowd_ledger_lost_total", &[]),
        })
    }

    /// What does not add up; empty when every verdict is accounted for.
    pub(crate) fn imbalances(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.packets != row.told + row.coalesced + row.deferred)
            .map(|row| {
                format!(
                    "ledger: {} {} {}: {} packets are not {} told + {} coalesced + {} deferred",
                    row.verdict,
                    row.reason,
                    row.direction,
                    row.packets,
                    row.told,
                    row.coalesced,
                    row.deferred
                )
            })
            .collect();
        let sum = |column: fn(&Row) -> f64| self.rows.iter().map(column).sum::<f64>();
        let (deferred, recovered) = (sum(|row| row.deferred), sum(|row| row.recovered));
        if deferred != recovered + self.pending + self.lost {
            found.push(format!(
                "ledger: {deferred} deferred are not {recovered} recovered + {} pending + {} lost",
                self.pending, self.lost
            ));
        }
        found
    }
}

fn row(metrics: &Metrics, key: &[String], packets: f64) -> Row {
    let label = |at: usize| key.get(at).map_or("", String::as_str);
    let labels = [
        ("verdict", label(0)),
        ("reason", label(1)),
        ("direction", label(2)),
    ];
    let sum = |column: &str| metrics.sum(&format!("flowd_ledger_{column}_total"), &labels);
    Row {
        verdict: label(0).to_owned(),
        reason: label(1).to_owned(),
        direction: label(2).to_owned(),
        packets,
        told: sum("told"),
        coalesced: sum("coalesced"),
        deferred: sum("deferred"),
        recovered: sum("recovered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(told: u32, recovered: u32) -> Ledger {
        let labels = r#"{verdict="dropped",reason="default_denied",direction="ingress"}"#;
        let text = format!(
            "flowd_ledger_packets_total{labels} 10\nflowd_ledger_told_total{labels} {told}\n\
             flowd_ledger_coalesced_total{labels} 5\nflowd_ledger_deferred_total{labels} 2\n\
             flowd_ledger_recovered_total{labels} {recovered}\nflowd_ledger_lost_total 1\n"
        );
        Ledger::read(&Metrics::parse(&text)).unwrap()
    }

    #[test]
    fn a_packet_that_is_nowhere_is_noticed() {
        assert!(reading(3, 1).imbalances().is_empty());
        assert_eq!(reading(2, 1).imbalances().len(), 1);
        assert_eq!(reading(3, 0).imbalances().len(), 1);
        assert!(Ledger::read(&Metrics::parse("up 1\n")).is_err());
    }
}
