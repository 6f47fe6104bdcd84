//! Hubble's families, as its dashboards query them.

use std::sync::Arc;

use flowd_abi::DropReason;
use flowd_proto::reason;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::FlowMetrics;
use super::counts::{Counts, Outcome, Processed, TCP_FLAGS};
use super::family::{Family, describe};
use crate::flow::record::Family as IpFamily;
use crate::observe::class::{MATCH_TYPES, Transport};
use crate::observe::icmp::Message;

const FAMILIES: [IpFamily; 2] = [IpFamily::V4, IpFamily::V6];
const DIRECTIONS: [&str; 2] = ["ingress", "egress"];

/// Collects `hubble_*`.
#[derive(Debug)]
pub struct HubbleCollector {
    flows: Arc<FlowMetrics>,
    desc: Option<Desc>,
}

impl HubbleCollector {
    /// Over the pipeline's counters.
    pub fn new(flows: Arc<FlowMetrics>) -> Self {
        Self {
            flows,
            desc: describe("hubble_flows_processed_total"),
        }
    }
}

impl Collector for HubbleCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = self.flows.snapshot();
        let lost = self.flows.reader_gap_flows();
        [
            flows_processed(&counts),
            drops(&counts),
            tcp_flags(&counts),
            icmp(&counts),
            port_distribution(&counts),
            policy_verdicts(&counts),
            flows_to_world(&counts),
            Family::counter(
                "hubble_lost_events_total",
                "Flows lost before a client could get them, by where.",
            )
            .with(
                &[("source", "hubble_ring_buffer")],
                super::family::number(lost),
            ),
        ]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
    }
}

const fn version(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "IPv4",
        IpFamily::V6 => "IPv6",
    }
}

fn transport_name(number: u8) -> &'static str {
    Transport::ALL
        .get(usize::from(number))
        .map_or("Unknown L4", |transport| transport.name())
}

fn flows_processed(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_flows_processed_total", "Flows told.");
    for transport in Transport::ALL {
        for processed in Processed::ALL {
            for outcome in Outcome::ALL {
                let (kind, subtype) = processed.labels();
                family.push_moved(
                    &[
                        ("protocol", transport.name()),
                        ("type", kind),
                        ("subtype", subtype),
                        ("verdict", outcome.name()),
                    ],
                    counts.processed[transport as usize][processed as usize][outcome as usize],
                );
            }
        }
    }
    family
}

fn drops(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_drop_total", "Flows dropped.");
    for transport in Transport::ALL {
        for drop in DropReason::ALL {
            family.push_moved(
                &[
                    ("reason", reason::of(drop).hubble_name()),
                    ("protocol", transport.name()),
                ],
                counts.drops[transport as usize][drop as usize - 1],
            );
        }
    }
    family
}

fn tcp_flags(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_tcp_flags_total", "TCP flags seen on told packets.");
    for (index, version_of) in FAMILIES.into_iter().enumerate() {
        for (flag, count) in TCP_FLAGS.into_iter().zip(counts.tcp_flags[index]) {
            family.push_moved(&[("flag", flag), ("family", version(version_of))], count);
        }
    }
    family
}

fn icmp(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_icmp_total", "ICMP messages told.");
    for ((number, kind, code), count) in counts.icmp.sorted() {
        let version_of = FAMILIES[usize::from(number.min(1))];
        let message = Message {
            family: version_of,
            kind,
            code,
        };
        family.push_moved(
            &[
                ("family", version(version_of)),
                ("type", &message.to_string()),
            ],
            count,
        );
    }
    family.push_moved(
        &[("family", "other"), ("type", "other")],
        counts.icmp.other(),
    );
    family
}

fn port_distribution(counts: &Counts) -> Family {
    let mut family = Family::counter(
        "hubble_port_distribution_total",
        "Destination ports of forwarded flows.",
    );
    for ((transport, port), count) in counts.ports.sorted() {
        family.push_moved(
            &[
                ("protocol", transport_name(transport)),
                ("port", &port.to_string()),
            ],
            count,
        );
    }
    family.push_moved(
        &[("protocol", "other"), ("port", "other")],
        counts.ports.other(),
    );
    family
}

fn policy_verdicts(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_policy_verdicts_total", "Verdicts of policies.");
    for (direction, matches) in DIRECTIONS.into_iter().zip(&counts.policy) {
        for (matched, actions) in MATCH_TYPES.into_iter().zip(matches) {
            for (outcome, count) in Outcome::ALL.into_iter().zip(actions) {
                family.push_moved(
                    &[
                        ("direction", direction),
                        ("match", matched),
                        ("action", outcome.action()),
                    ],
                    *count,
                );
            }
        }
    }
    family
}

fn flows_to_world(counts: &Counts) -> Family {
    let mut family = Family::counter("hubble_flows_to_world_total", "Flows to the world.");
    for (transport, outcomes) in Transport::ALL.into_iter().zip(&counts.to_world) {
        for (outcome, count) in Outcome::ALL.into_iter().zip(outcomes) {
            family.push_moved(
                &[("protocol", transport.name()), ("verdict", outcome.name())],
                *count,
            );
        }
    }
    family
}
