//! What flowd knows of a flow beyond Hubble's fields.

use flowd_abi::connection::State;
use flowd_abi::event::EventFlags;
use flowd_abi::{Direction, EventKind, Verdict};
use flowd_policy::{Effect, PolicyRef, RuleRef};
use flowd_proto::flowd::v1::{self as ours, ConnectionState, FlowExtension};
use flowd_proto::reason;

use super::flow::timestamp;
use super::numbers;
use crate::enrich::Decision;
use crate::flow::Record;
use crate::flow::record::Judged;
use crate::shadow::Shadowed;

/// What flowd knows beyond Hubble's fields.
pub(super) fn extension(record: &Record) -> FlowExtension {
    FlowExtension {
        rules: rule_messages(&record.decision),
        default_denied_by: denier_messages(&record.decision),
        cidr: record.peer.cidr.clone(),
        process: record.owner.as_deref().map(numbers::process),
        shadow: record.shadow.as_deref().map(shadow_message),
        ..counted(record)
    }
}

/// The part of the extension that comes from the event alone.
pub(super) fn counted(record: &Record) -> FlowExtension {
    let event = &record.judged.event;
    let numbers = Numbers::of(&record.judged);
    FlowExtension {
        event: i32::from(event.kind),
        sent_packets: numbers.sent.0,
        sent_bytes: numbers.sent.1,
        received_packets: numbers.received.0,
        received_bytes: numbers.received.1,
        created: (event.created != 0).then(|| timestamp(record.created())),
        packets_told: numbers.told,
        deferred: event.flags & EventFlags::SWEPT != 0 && !goes_on(record.judged.kind),
        policy_generation: event.generation,
        connection_state: connection_state(&record.judged) as i32,
        reason: reason_name(record.judged.verdict).to_owned(),
        seeded: event.flags & EventFlags::SEEDED != 0,
        duration: numbers::duration(record),
        ended: numbers::ended(record),
        reset_by: numbers::reset_by(&record.judged) as i32,
        handshake_rtt_us: record.measured.handshake_rtt,
        rtt_us: record.measured.rtt,
        retransmits: record.measured.retransmits,
        attribution: numbers::attribution(record.attribution()) as i32,
        shadow_changed: record.shadow_changed(),
        kernel_reason: record.judged.kernel_reason().unwrap_or_default(),
        connection_opened: connection_opened(record),
        ..FlowExtension::default()
    }
}

/// Kinds the sweep tells in any case; telling them late is no deferral.
const fn goes_on(kind: EventKind) -> bool {
    match kind {
        EventKind::Update | EventKind::Close | EventKind::Drops => true,
        EventKind::Open | EventKind::Reply | EventKind::Verdict | EventKind::Drop => false,
    }
}

/// When the connection was opened that a drop of the kernel belongs to.
fn connection_opened(record: &Record) -> Option<flowd_proto::Timestamp> {
    let opened = record.judged.event.received_bytes;
    let tracked = record.judged.is_kernel_drop() && opened != 0;
    tracked.then(|| timestamp(record.at(opened)))
}

/// Packets and bytes of a connection or denied flow so far, as the kind of the event means its
/// fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Packets and bytes from the workload.
    pub(crate) sent: (u64, u64),
    /// Packets and bytes to the workload.
    pub(crate) received: (u64, u64),
    /// Packets this event speaks for.
    pub(crate) told: u64,
}

impl Numbers {
    /// Bytes both ways.
    pub(crate) const fn bytes(&self) -> u64 {
        self.sent.1.saturating_add(self.received.1)
    }

    /// Packets both ways.
    pub(crate) const fn packets(&self) -> u64 {
        self.sent.0.saturating_add(self.received.0)
    }

    /// Of an event.
    pub(crate) fn of(judged: &Judged) -> Self {
        let event = &judged.event;
        let denied = |packets| {
            let (sent, received) = match judged.direction {
                Direction::Egress => ((packets, event.sent_bytes), (0, 0)),
                Direction::Ingress => ((0, 0), (packets, event.sent_bytes)),
            };
            Self {
                sent,
                received,
                told: event.sent_packets,
            }
        };
        let counted = |told| Self {
            sent: (event.sent_packets, event.sent_bytes),
            received: (event.received_packets, event.received_bytes),
            told,
        };
        match judged.kind {
            EventKind::Drop => denied(event.sent_packets),
            EventKind::Drops => denied(event.received_packets),
            EventKind::Open | EventKind::Reply | EventKind::Verdict => counted(1),
            EventKind::Update | EventKind::Close => counted(0),
        }
    }
}

fn connection_state(judged: &Judged) -> ConnectionState {
    match (State::from_number(judged.event.state), judged.kind) {
        (None, _) => ConnectionState::Unspecified,
        (Some(State::Closed), _) => ConnectionState::Closed,
        (Some(State::Reset), _) => ConnectionState::Reset,
        (Some(State::New | State::Established | State::Closing), EventKind::Close) => {
            ConnectionState::TimedOut
        }
        (Some(State::New), _) => ConnectionState::New,
        (Some(State::Established), _) => ConnectionState::Established,
        (Some(State::Closing), _) => ConnectionState::Closing,
    }
}

/// Our name of a verdict's reason.
pub const fn reason_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Forward(why) => reason::of_forward(why).name,
        Verdict::Drop(why) | Verdict::Audit(why) => reason::of(why).name,
    }
}

/// What would have become of it.
pub(super) fn shadow_message(shadow: &Shadowed) -> ours::ShadowVerdict {
    let deniers = shadow.default_denied_by.iter();
    ours::ShadowVerdict {
        verdict: i32::from(shadow.verdict.to_numbers().0),
        reason: reason_name(shadow.verdict).to_owned(),
        rules: shadow.rules.iter().map(rule_message).collect(),
        default_denied_by: deniers.map(|policy| denier_message(policy)).collect(),
    }
}

/// The rules of a decision. A number that is not known is one entry that says so.
pub(super) fn rule_messages(decision: &Decision) -> Vec<ours::RuleRef> {
    match &decision.rules {
        Some(rules) => rules.iter().map(rule_message).collect(),
        None => vec![ours::RuleRef {
            kind: "unknown".to_owned(),
            name: format!("rule set {}", decision.rule),
            ..ours::RuleRef::default()
        }],
    }
}

pub(crate) fn rule_message(rule: &RuleRef) -> ours::RuleRef {
    ours::RuleRef {
        kind: rule.policy.kind.name().to_owned(),
        namespace: rule.policy.namespace.clone().unwrap_or_default(),
        name: rule.policy.name.clone(),
        file: rule.policy.file.clone(),
        line: rule.line,
        index: rule.index,
        direction: rule.direction as i32,
        action: match rule.action {
            Effect::Allow => ours::RuleAction::Allow,
            Effect::Deny => ours::RuleAction::Deny,
            Effect::Pass => ours::RuleAction::Pass,
        } as i32,
    }
}

/// The policies behind a default deny. A policy id that is not known is one entry that says so.
pub(super) fn denier_messages(decision: &Decision) -> Vec<ours::PolicyRef> {
    match &decision.default_denied_by {
        Some(policies) => policies
            .iter()
            .map(|policy| denier_message(policy))
            .collect(),
        None => vec![ours::PolicyRef {
            kind: "unknown".to_owned(),
            name: format!("policy {}", decision.default_deny),
            ..ours::PolicyRef::default()
        }],
    }
}

pub(crate) fn denier_message(policy: &PolicyRef) -> ours::PolicyRef {
    ours::PolicyRef {
        kind: policy.kind.name().to_owned(),
        namespace: policy.namespace.clone().unwrap_or_default(),
        name: policy.name.clone(),
        file: policy.file.clone(),
        line: policy.line,
    }
}
