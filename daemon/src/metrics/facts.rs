//! What the metrics look at in a flow: read once from the record, sixteen bytes that the plugins go
//! over.

use flowd_abi::{Direction, DropReason, EventKind, Verdict};

use crate::enrich::reserved;
use crate::flow::Record;
use crate::flow::record::{Family, Side};
use crate::observe::class::{Class, Transport};

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

/// One flow, as the metrics see it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Layer 4.
    pub transport: Transport,
    /// Event type.
    pub processed: Processed,
    /// Verdict.
    pub outcome: Outcome,
    /// What the event tells.
    pub kind: EventKind,
    /// Why it was dropped, if it was.
    pub drop: Option<DropReason>,
    /// IP version.
    pub family: Option<Family>,
    /// TCP flags of the packet.
    pub tcp_flags: u8,
    /// ICMP type and code.
    pub icmp: (u8, u8),
    /// Hubble's `policy_match_type`.
    pub match_type: u8,
    /// Direction of the connection.
    pub direction: Direction,
    /// Whether the packet is an answer.
    pub reply: bool,
    /// Whether a policy's verdict is about what the node itself sends.
    pub from_host: bool,
    /// Whether the flow leaves a workload for the world and is no answer.
    pub to_world: bool,
    /// State of the connection, as a number.
    pub state: u8,
    /// Destination port, 0 for what has none.
    pub port: u16,
}

impl Facts {
    /// The facts of a record.
    #[inline]
    pub fn of(record: &Record) -> Self {
        let judged = &record.judged;
        let (event, class, transport) = (&judged.event, judged.class(), judged.transport());
        let (processed, drop) = match (class, judged.direction) {
            (Class::PolicyVerdict, _) => (Processed::PolicyVerdict, None),
            (Class::Trace(_), Direction::Egress) => (Processed::TraceFrom, None),
            (Class::Trace(_), Direction::Ingress) => (Processed::TraceTo, None),
            (Class::Drop(reason), _) => (Processed::Drop, Some(reason)),
        };
        let port = if transport.has_ports() {
            judged.port(Side::Destination)
        } else {
            0
        };
        Self {
            transport,
            processed,
            outcome: Outcome::of(judged.verdict),
            kind: judged.kind,
            drop,
            family: judged.family(),
            tcp_flags: event.tcp_flags,
            icmp: (event.icmp_type, event.icmp_code),
            match_type: event.match_type,
            direction: judged.judged_direction(),
            reply: judged.is_reply(),
            // The parties are elsewhere in memory: asked only where it matters.
            from_host: !matches!(class, Class::Trace(_))
                && reserved::is_host(record.party(Side::Source).identity),
            to_world: judged.direction == Direction::Egress
                && !judged.is_reply()
                && record.peer.is_world(),
            state: event.state,
            port,
        }
    }

    /// Whether the kernel dropped it, and no verdict of ours.
    #[inline]
    pub fn by_kernel(&self) -> bool {
        self.drop.is_some_and(DropReason::is_of_kernel)
    }

    /// Whether it passed.
    #[inline]
    pub const fn forwarded(&self) -> bool {
        matches!(self.outcome, Outcome::Forwarded)
    }

    /// Whether a policy decided here: a drop by policy counts as a verdict too, as in Hubble, where
    /// it is one event of each.
    #[inline]
    pub const fn by_policy(&self) -> bool {
        match self.processed {
            Processed::PolicyVerdict => true,
            Processed::Drop => matches!(
                self.drop,
                Some(DropReason::DefaultDenied | DropReason::RuleDenied)
            ),
            Processed::TraceFrom | Processed::TraceTo => false,
        }
    }
}
