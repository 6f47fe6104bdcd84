//! The numbers behind Hubble's families: arrays indexed by small numbers, two bounded tables.

use flowd_abi::{Direction, DropReason, Verdict, protocol};

use super::bounded::BoundedCounts;
use crate::enrich::reserved;
use crate::flow::Record;
use crate::flow::pipeline::Ring;
use crate::flow::record::{Family, Judged, Side};
use crate::observe::class::{Class, MATCH_TYPES, Transport};

/// Distinct ports that get a series of their own.
const PORTS: usize = 1_024;
/// Distinct ICMP messages that get a series of their own.
const ICMP_MESSAGES: usize = 128;

/// The event types of `hubble_flows_processed_total`, with the observation point of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// A policy verdict.
    PolicyVerdict,
    /// A trace of a packet from the workload.
    TraceFrom,
    /// A trace of a packet to the workload.
    TraceTo,
    /// A drop.
    Drop,
}

impl Processed {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::PolicyVerdict,
        Self::TraceFrom,
        Self::TraceTo,
        Self::Drop,
    ];

    /// Type and sub-type labels.
    pub const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::PolicyVerdict => ("PolicyVerdict", ""),
            Self::TraceFrom => ("Trace", "from-endpoint"),
            Self::TraceTo => ("Trace", "to-endpoint"),
            Self::Drop => ("Drop", ""),
        }
    }
}

/// The verdicts a flow can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passed.
    Forwarded,
    /// Dropped.
    Dropped,
    /// Would have been dropped.
    Audit,
}

impl Outcome {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Forwarded, Self::Dropped, Self::Audit];

    /// The outcome of a verdict.
    #[inline]
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Forward(_) => Self::Forwarded,
            Verdict::Drop(_) => Self::Dropped,
            Verdict::Audit(_) => Self::Audit,
        }
    }

    /// Hubble's name of the verdict.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "FORWARDED",
            Self::Dropped => "DROPPED",
            Self::Audit => "AUDIT",
        }
    }

    /// Hubble's word for it on a policy verdict.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Dropped => "dropped",
            Self::Audit => "audit",
        }
    }
}

/// Labels of `hubble_tcp_flags_total`, in the order of their numbers.
pub const TCP_FLAGS: [&str; 4] = ["SYN", "SYN-ACK", "FIN", "RST"];

const TRANSPORTS: usize = Transport::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

/// All counters the flows move.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Flows by transport, event type and verdict.
    pub processed: [[[u64; OUTCOMES]; Processed::ALL.len()]; TRANSPORTS],
    /// Drops by transport and reason number (less one).
    pub drops: [[u64; DropReason::ALL.len()]; TRANSPORTS],
    /// TCP flags by family (v4, v6).
    pub tcp_flags: [[u64; TCP_FLAGS.len()]; 2],
    /// ICMP messages: family number, type, code.
    pub icmp: BoundedCounts<(u8, u8, u8)>,
    /// Destination ports of forwarded flows that are no replies: transport number, port.
    pub ports: BoundedCounts<(u8, u16)>,
    /// Policy verdicts by direction (ingress, egress), match type and action.
    pub policy: [[[u64; OUTCOMES]; MATCH_TYPES.len()]; 2],
    /// Flows to the world by transport and verdict.
    pub to_world: [[u64; OUTCOMES]; TRANSPORTS],
    /// Events received by ring.
    pub received: [u64; Ring::ALL.len()],
    /// Ring records that were no events.
    pub undecodable: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            processed: Default::default(),
            drops: Default::default(),
            tcp_flags: Default::default(),
            icmp: BoundedCounts::new(ICMP_MESSAGES),
            ports: BoundedCounts::new(PORTS),
            policy: Default::default(),
            to_world: Default::default(),
            received: Default::default(),
            undecodable: 0,
        }
    }
}

impl Counts {
    /// Counts one flow.
    #[inline]
    pub fn flow(&mut self, record: &Record) {
        let judged = &record.judged;
        let class = judged.class();
        let transport = judged.transport();
        let outcome = Outcome::of(judged.verdict);
        let processed = match (class, judged.direction) {
            (Class::PolicyVerdict, _) => Processed::PolicyVerdict,
            (Class::Trace(_), Direction::Egress) => Processed::TraceFrom,
            (Class::Trace(_), Direction::Ingress) => Processed::TraceTo,
            (Class::Drop(_), _) => Processed::Drop,
        };
        self.processed[transport as usize][processed as usize][outcome as usize] += 1;
        if let Class::Drop(reason) = class {
            self.drops[transport as usize][reason as usize - 1] += 1;
        }
        self.transport(judged, transport, outcome);
        self.policy(record, class, outcome);
        self.world(record, class, transport, outcome);
    }

    #[inline]
    fn transport(&mut self, judged: &Judged, transport: Transport, outcome: Outcome) {
        let event = &judged.event;
        let family = match judged.family() {
            Some(Family::V4) => 0_u8,
            Some(Family::V6) => 1,
            None => return,
        };
        let passed = outcome == Outcome::Forwarded;
        if event.protocol == protocol::TCP && passed {
            let flags = &mut self.tcp_flags[usize::from(family)];
            let (fin, syn, rst, ack) = (0x01, 0x02, 0x04, 0x10);
            if event.tcp_flags & syn != 0 {
                flags[usize::from(event.tcp_flags & ack != 0)] += 1;
            }
            flags[2] += u64::from(event.tcp_flags & fin != 0);
            flags[3] += u64::from(event.tcp_flags & rst != 0);
        }
        if matches!(transport, Transport::IcmpV4 | Transport::IcmpV6) {
            self.icmp.add((family, event.icmp_type, event.icmp_code));
        }
        if passed && !judged.is_reply() && transport != Transport::Other {
            let port = if transport.has_ports() {
                judged.port(Side::Destination)
            } else {
                0
            };
            self.ports.add((transport as u8, port));
        }
    }

    /// A drop by policy counts as a policy verdict, as in Hubble, where it is one event of each.
    #[inline]
    fn policy(&mut self, record: &Record, class: Class, outcome: Outcome) {
        let counted = match class {
            Class::PolicyVerdict => true,
            Class::Drop(reason) => {
                matches!(reason, DropReason::DefaultDenied | DropReason::RuleDenied)
            }
            Class::Trace(_) => false,
        };
        if !counted || reserved::is_host(record.party(Side::Source).identity) {
            return;
        }
        let direction = record.judged.judged_direction() as usize - 1;
        let matched = usize::from(record.judged.event.match_type);
        if let Some(actions) = self.policy[direction].get_mut(matched) {
            actions[outcome as usize] += 1;
        }
    }

    /// Drops other than by the default deny do not count, as in Hubble without `any-drop`.
    #[inline]
    fn world(&mut self, record: &Record, class: Class, transport: Transport, outcome: Outcome) {
        let counted = match class {
            Class::PolicyVerdict | Class::Trace(_) | Class::Drop(DropReason::DefaultDenied) => true,
            Class::Drop(
                DropReason::RuleDenied
                | DropReason::Malformed
                | DropReason::UnsupportedProtocol
                | DropReason::UnsupportedEthertype
                | DropReason::FragmentWithoutHead
                | DropReason::TableFull
                | DropReason::SourceAddress
                | DropReason::ExtensionHeader,
            ) => false,
        };
        if counted
            && record.judged.direction == Direction::Egress
            && !record.judged.is_reply()
            && record.peer.is_world()
        {
            self.to_world[transport as usize][outcome as usize] += 1;
        }
    }
}
