//! What kind of Hubble event a record is, and the small vocabularies around it.

use flowd_abi::{Direction, DropReason, EventKind, ForwardReason, Verdict, protocol};

use crate::flow::record::{Family, Judged};

/// Hubble's event types that flowd serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The verdict of a policy on a new connection.
    PolicyVerdict,
    /// A connection seen passing.
    Trace(TraceReason),
    /// A packet dropped.
    Drop(DropReason),
}

/// Hubble's connection tracking reasons of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TraceReason {
    /// Not tracked.
    Unknown = 0,
    /// The first packet.
    New = 1,
    /// A later packet.
    Established = 2,
    /// An answer.
    Reply = 3,
    /// An ICMP error about it.
    Related = 4,
}

/// Hubble's numbers of the event types.
pub mod event_type {
    /// A drop.
    pub const DROP: i32 = 1;
    /// A trace.
    pub const TRACE: i32 = 4;
    /// A policy verdict.
    pub const POLICY_VERDICT: i32 = 5;
}

/// Where a workload's packets are seen: Hubble's raw observation points.
pub mod point {
    /// Towards the workload, as the raw sub-type of an event.
    pub const TO_ENDPOINT_RAW: i32 = 0;
    /// From the workload; raw sub-type and enum agree.
    pub const FROM_ENDPOINT: i32 = 5;
    /// Towards the workload, as the enum.
    pub const TO_ENDPOINT: i32 = 101;
}

/// Layer 4 as flows, filters and metrics tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv4.
    IcmpV4,
    /// ICMP for IPv6.
    IcmpV6,
    /// SCTP.
    Sctp,
    /// Anything else, or no IP at all.
    Other,
}

impl Transport {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Tcp,
        Self::Udp,
        Self::IcmpV4,
        Self::IcmpV6,
        Self::Sctp,
        Self::Other,
    ];

    /// Hubble's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::IcmpV4 => "ICMPv4",
            Self::IcmpV6 => "ICMPv6",
            Self::Sctp => "SCTP",
            Self::Other => "Unknown L4",
        }
    }

    /// Whether it has ports.
    pub const fn has_ports(self) -> bool {
        match self {
            Self::Tcp | Self::Udp | Self::Sctp => true,
            Self::IcmpV4 | Self::IcmpV6 | Self::Other => false,
        }
    }
}

impl Judged {
    /// Which Hubble event this record is.
    #[inline]
    pub fn class(&self) -> Class {
        match (self.kind, self.verdict) {
            (_, Verdict::Drop(reason)) => Class::Drop(reason),
            (EventKind::Drop | EventKind::Drops, Verdict::Audit(_) | Verdict::Forward(_))
            | (EventKind::Open | EventKind::Verdict, Verdict::Audit(_))
            | (EventKind::Open, Verdict::Forward(ForwardReason::Allowed)) => Class::PolicyVerdict,
            (EventKind::Open, Verdict::Forward(reason)) => Class::Trace(match reason {
                ForwardReason::Unenforced
                | ForwardReason::Allowed
                | ForwardReason::OperatorGuard
                | ForwardReason::Masqueraded => TraceReason::New,
                ForwardReason::Reply => TraceReason::Reply,
                ForwardReason::Related => TraceReason::Related,
                ForwardReason::Neighbour => TraceReason::Unknown,
            }),
            (
                EventKind::Reply | EventKind::Verdict | EventKind::Update | EventKind::Close,
                Verdict::Forward(_) | Verdict::Audit(_),
            ) => Class::Trace(if self.is_reply() {
                TraceReason::Reply
            } else {
                TraceReason::Established
            }),
        }
    }

    /// Its layer 4.
    #[inline]
    pub fn transport(&self) -> Transport {
        match (self.event.protocol, self.family()) {
            (_, None) => Transport::Other,
            (protocol::TCP, _) => Transport::Tcp,
            (protocol::UDP, _) => Transport::Udp,
            (protocol::SCTP, _) => Transport::Sctp,
            (protocol::ICMP, Some(Family::V4)) => Transport::IcmpV4,
            (protocol::ICMPV6, Some(Family::V6)) => Transport::IcmpV6,
            (_, Some(Family::V4 | Family::V6)) => Transport::Other,
        }
    }

    /// The sub-type of its Hubble event: observation point, drop reason, or 0.
    #[inline]
    pub fn sub_type(&self) -> i32 {
        match (self.class(), self.direction) {
            (Class::PolicyVerdict, _) => 0,
            (Class::Drop(reason), _) => flowd_proto::reason::of(reason).number(),
            (Class::Trace(_), Direction::Egress) => point::FROM_ENDPOINT,
            (Class::Trace(_), Direction::Ingress) => point::TO_ENDPOINT_RAW,
        }
    }
}

impl Class {
    /// The number of the event type.
    pub const fn event_type(self) -> i32 {
        match self {
            Self::PolicyVerdict => event_type::POLICY_VERDICT,
            Self::Trace(_) => event_type::TRACE,
            Self::Drop(_) => event_type::DROP,
        }
    }
}

/// Hubble's text of `policy_match_type`, as metrics write it.
pub const MATCH_TYPES: [&str; 7] = [
    "none",
    "l3-only",
    "l3-l4",
    "l4-only",
    "all",
    "l3-proto",
    "proto-only",
];
