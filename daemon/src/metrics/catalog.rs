//! Every family that flows move: name, help, labels, and what its cells stand for.

use std::borrow::Cow;

use flowd_abi::{DropReason, KernelReason};
use flowd_proto::reason;

use super::facts::{Outcome, Processed};
use super::plugin::{Kind, Options};
use crate::flow::record::Family as IpFamily;
use crate::kernel::reasons;
use crate::observe::class::{MATCH_TYPES, Transport};
use crate::observe::icmp::Message;

/// How many cells a family has.
#[derive(Clone, Copy, Debug)]
pub enum Cells {
    /// So many, known beforehand.
    Few(u32),
    /// As many as strangers choose.
    Many,
}

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug)]
pub enum Numbers {
    /// One that only grows.
    Counter,
    /// A histogram: upper bounds of its buckets, and how many of its units make one of the unit in
    /// its name.
    Histogram {
        /// Upper bounds, ascending, in units.
        bounds: &'static [u64],
        /// Units in one of the unit in its name.
        scale: f64,
    },
}

/// The values of a cell's labels, in the order of [`Family::labels`].
type Values = fn(u32) -> Vec<Cow<'static, str>>;

/// One family.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// Its labels beside those of the context.
    pub labels: &'static [&'static str],
    /// What its cells stand for.
    pub values: Values,
    /// How many cells it has.
    pub cells: Cells,
    /// Its numbers.
    pub numbers: Numbers,
}

impl Family {
    /// Numbers kept of a series.
    pub const fn stride(&self) -> usize {
        match self.numbers {
            Numbers::Counter => 1,
            Numbers::Histogram { bounds, .. } => bounds.len() + 2,
        }
    }

    /// Lines of a scrape that a series takes.
    pub const fn lines(&self) -> usize {
        match self.numbers {
            Numbers::Counter => 1,
            // One a bucket, one past the last, the sum and the count.
            Numbers::Histogram { bounds, .. } => bounds.len() + 3,
        }
    }
}

const TRANSPORTS: u32 = Transport::ALL.len() as u32;
const OUTCOMES: u32 = Outcome::ALL.len() as u32;
const PROCESSED: u32 = Processed::ALL.len() as u32;
const REASONS: u32 = DropReason::ALL.len() as u32;
const MATCHES: u32 = MATCH_TYPES.len() as u32;

/// Flags that are counted, in the order of their cells.
const FLAGS: [&str; 4] = ["SYN", "SYN-ACK", "FIN", "RST"];
const DIRECTIONS: [&str; 2] = ["ingress", "egress"];
/// How a connection ended, in the order of their cells.
const ENDS: [&str; 3] = ["closed", "reset", "timed_out"];
/// Which way bytes went, in the order of their cells.
const WAYS: [&str; 2] = ["sent", "received"];
/// When a round trip was measured, in the order of their cells.
const MEASURED: [&str; 2] = ["handshake", "smoothed"];
/// From a millisecond to a day, in microseconds.
pub const DURATIONS: [u64; 14] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
    7_200_000_000,
    86_400_000_000,
];
/// From a hop within a host to a satellite and back, in microseconds.
pub const ROUND_TRIPS: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000,
];
/// From a small packet to a terabyte.
pub const SIZES: [u64; 12] = [
    128,
    512,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 23,
    1 << 26,
    1 << 30,
    1 << 40,
];

/// `hubble_flows_processed_total`.
pub static FLOWS_PROCESSED: Family = Family {
    name: "hubble_flows_processed_total",
    help: "Flows told.",
    labels: &["protocol", "type", "subtype", "verdict"],
    values: |cell| {
        let (cell, outcome) = (cell / OUTCOMES, cell % OUTCOMES);
        let (kind, subtype) = named(&Processed::ALL, cell % PROCESSED, Processed::labels);
        vec![
            transport(cell / PROCESSED),
            kind.into(),
            subtype.into(),
            named(&Outcome::ALL, outcome, Outcome::name).into(),
        ]
    },
    cells: Cells::Few(TRANSPORTS * PROCESSED * OUTCOMES),
    numbers: Numbers::Counter,
};

/// `hubble_drop_total`.
pub static DROPS: Family = Family {
    name: "hubble_drop_total",
    help: "Flows dropped.",
    labels: &["reason", "protocol"],
    values: |cell| {
        let name = |drop| reason::of(drop).hubble_name();
        let reason = named(&DropReason::ALL, cell % REASONS, name);
        vec![reason.into(), transport(cell / REASONS)]
    },
    cells: Cells::Few(TRANSPORTS * REASONS),
    numbers: Numbers::Counter,
};

/// `flowd_kernel_drop_packets_total`.
pub static KERNEL_DROP_PACKETS: Family = Family {
    name: "flowd_kernel_drop_packets_total",
    help: "Packets told as dropped by the kernel, by its own reason.",
    labels: &["reason"],
    values: |cell| vec![reasons::name(KernelReason(cell as u16)).into()],
    cells: Cells::Many,
    numbers: Numbers::Counter,
};

/// `hubble_tcp_flags_total`.
pub static TCP_FLAGS: Family = Family {
    name: "hubble_tcp_flags_total",
    help: "TCP flags seen on told packets.",
    labels: &["flag", "family"],
    values: |cell| {
        let flag = named(&FLAGS, cell % 4, |flag| flag);
        vec![flag.into(), version(cell / 4).into()]
    },
    cells: Cells::Few(8),
    numbers: Numbers::Counter,
};

/// `hubble_icmp_total`.
pub static ICMP: Family = Family {
    name: "hubble_icmp_total",
    help: "ICMP messages told.",
    labels: &["family", "type"],
    values: |cell| {
        let [_, family, kind, code] = cell.to_be_bytes();
        let message = Message {
            family: if family == 0 {
                IpFamily::V4
            } else {
                IpFamily::V6
            },
            kind,
            code,
        };
        vec![version(family.into()).into(), message.to_string().into()]
    },
    cells: Cells::Many,
    numbers: Numbers::Counter,
};

/// `hubble_port_distribution_total`.
pub static PORT_DISTRIBUTION: Family = Family {
    name: "hubble_port_distribution_total",
    help: "Destination ports of forwarded flows.",
    labels: &["protocol", "port"],
    values: |cell| vec![transport(cell >> 16), (cell & 0xffff).to_string().into()],
    cells: Cells::Many,
    numbers: Numbers::Counter,
};

/// `hubble_policy_verdicts_total`.
pub static POLICY_VERDICTS: Family = Family {
    name: "hubble_policy_verdicts_total",
    help: "Verdicts of policies.",
    labels: &["direction", "match", "action"],
    values: |cell| {
        let (cell, outcome) = (cell / OUTCOMES, cell % OUTCOMES);
        vec![
            named(&DIRECTIONS, cell / MATCHES, |name| name).into(),
            named(&MATCH_TYPES, cell % MATCHES, |name| name).into(),
            named(&Outcome::ALL, outcome, Outcome::action).into(),
        ]
    },
    cells: Cells::Few(2 * MATCHES * OUTCOMES),
    numbers: Numbers::Counter,
};

/// `hubble_flows_to_world_total`.
pub static FLOWS_TO_WORLD: Family = Family {
    name: "hubble_flows_to_world_total",
    help: "Flows to the world.",
    labels: &["protocol", "verdict"],
    values: to_world,
    cells: Cells::Few(TRANSPORTS * OUTCOMES),
    numbers: Numbers::Counter,
};

/// `hubble_flows_to_world_total` with the option `port`.
pub static FLOWS_TO_WORLD_BY_PORT: Family = Family {
    name: "hubble_flows_to_world_total",
    help: "Flows to the world.",
    labels: &["protocol", "verdict", "port"],
    values: |cell| {
        let mut values = to_world(cell >> 16);
        values.push((cell & 0xffff).to_string().into());
        values
    },
    cells: Cells::Many,
    numbers: Numbers::Counter,
};

/// `flowd_connections_opened_total`.
pub static CONNECTIONS_OPENED: Family = Family {
    name: "flowd_connections_opened_total",
    help: "Connections opened, and denied ones that audit mode let pass.",
    labels: &["protocol", "direction", "verdict"],
    values: |cell| {
        let (cell, outcome) = (cell / OUTCOMES, cell % OUTCOMES);
        vec![
            transport(cell / 2),
            named(&DIRECTIONS, cell % 2, |name| name).into(),
            named(&Outcome::ALL, outcome, Outcome::name).into(),
        ]
    },
    cells: Cells::Few(TRANSPORTS * 2 * OUTCOMES),
    numbers: Numbers::Counter,
};

/// `flowd_connection_duration_seconds`.
pub static CONNECTION_DURATION: Family = Family {
    name: "flowd_connection_duration_seconds",
    help: "How long connections lasted that have ended.",
    labels: &["protocol", "direction", "end"],
    values: |cell| {
        vec![
            transport(cell / 6),
            named(&DIRECTIONS, cell / 3 % 2, |name| name).into(),
            named(&ENDS, cell % 3, |name| name).into(),
        ]
    },
    cells: Cells::Few(TRANSPORTS * 2 * 3),
    numbers: Numbers::Histogram {
        bounds: &DURATIONS,
        scale: 1e6,
    },
};

/// `flowd_connection_bytes`.
pub static CONNECTION_BYTES: Family = Family {
    name: "flowd_connection_bytes",
    help: "Bytes of connections that have ended, as the workload sent and received them.",
    labels: &["protocol", "direction", "way"],
    values: |cell| {
        vec![
            transport(cell / 4),
            named(&DIRECTIONS, cell / 2 % 2, |name| name).into(),
            named(&WAYS, cell % 2, |name| name).into(),
        ]
    },
    cells: Cells::Few(TRANSPORTS * 2 * 2),
    numbers: Numbers::Histogram {
        bounds: &SIZES,
        scale: 1.0,
    },
};

/// `flowd_connection_rtt_seconds`.
pub static CONNECTION_RTT: Family = Family {
    name: "flowd_connection_rtt_seconds",
    help: "Round trips that TCP measured on connections that have ended.",
    labels: &["direction", "measured"],
    values: |cell| {
        vec![
            named(&DIRECTIONS, cell / 2, |name| name).into(),
            named(&MEASURED, cell % 2, |name| name).into(),
        ]
    },
    cells: Cells::Few(2 * 2),
    numbers: Numbers::Histogram {
        bounds: &ROUND_TRIPS,
        scale: 1e6,
    },
};

/// The families a plugin moves.
pub fn families(kind: Kind, options: Options) -> Vec<&'static Family> {
    match kind {
        Kind::Flow => vec![&FLOWS_PROCESSED],
        Kind::Drop => vec![&DROPS, &KERNEL_DROP_PACKETS],
        Kind::Tcp => vec![&TCP_FLAGS],
        Kind::Icmp => vec![&ICMP],
        Kind::PortDistribution => vec![&PORT_DISTRIBUTION],
        Kind::Policy => vec![&POLICY_VERDICTS],
        Kind::FlowsToWorld if options.port => vec![&FLOWS_TO_WORLD_BY_PORT],
        Kind::FlowsToWorld => vec![&FLOWS_TO_WORLD],
        Kind::Connection => vec![
            &CONNECTIONS_OPENED,
            &CONNECTION_DURATION,
            &CONNECTION_BYTES,
            &CONNECTION_RTT,
        ],
        Kind::Dns | Kind::Http | Kind::HttpV2 | Kind::Sctp | Kind::Kafka => Vec::new(),
    }
}

/// Mixes digits of different bases, each with its base, into one cell; the first has no base.
#[inline]
pub fn cell<const N: usize>(first: usize, rest: [(usize, usize); N]) -> u32 {
    let mixed = rest
        .iter()
        .fold(first, |cell, (digit, base)| cell * base + digit);
    // The largest family has a few hundred cells.
    mixed as u32
}

fn to_world(cell: u32) -> Vec<Cow<'static, str>> {
    let outcome = named(&Outcome::ALL, cell % OUTCOMES, Outcome::name);
    vec![transport(cell / OUTCOMES), outcome.into()]
}

fn transport(number: u32) -> Cow<'static, str> {
    let name = Transport::ALL.get(number as usize);
    name.map_or("Unknown L4", |one| one.name()).into()
}

fn version(family: u32) -> &'static str {
    if family == 0 { "IPv4" } else { "IPv6" }
}

/// The name of the value at `index`; cells are made of indices into these lists.
fn named<T: Copy, N>(all: &[T], index: u32, name: impl Fn(T) -> N) -> N {
    name(all[index as usize % all.len()])
}
