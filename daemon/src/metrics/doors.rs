//! Who was turned away and why, and how the record of requests is doing.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::{Family, describe, number};
use crate::access::{Gate, Reason};

/// Collects `flowd_refused_total`, `flowd_streams`, `flowd_audit_*`.
#[derive(Debug)]
pub struct DoorCollector {
    gate: Gate,
    desc: Option<Desc>,
}

impl DoorCollector {
    /// Over the gate.
    pub fn new(gate: Gate) -> Self {
        Self {
            gate,
            desc: describe("flowd_refused_total"),
        }
    }
}

impl Collector for DoorCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut refused = Family::counter(
            "flowd_refused_total",
            "Connections and requests that were turned away.",
        );
        for reason in Reason::ALL {
            let count = self.gate.refusals().count(reason);
            refused.push(&[("reason", reason.name())], number(count));
        }
        let audit = self.gate.audit();
        let families = [
            refused,
            Family::gauge("flowd_streams", "Streams that are open.")
                .with(&[], f64::from(self.gate.limits().streams())),
            Family::counter("flowd_audit_lines_total", "Requests put on record.")
                .with(&[], number(audit.written())),
            Family::counter(
                "flowd_audit_lost_total",
                "Requests that could not be put on record.",
            )
            .with(&[], number(audit.lost())),
        ];
        families.into_iter().filter_map(Family::finish).collect()
    }
}
