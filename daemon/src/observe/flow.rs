//! A stored record as Hubble's flow.

use std::sync::Arc;

use flowd_abi::connection::State;
use flowd_abi::event::EventFlags;
use flowd_abi::{Action, Direction, DropReason, EventKind, ForwardReason, Verdict};
use flowd_policy::{PolicyRef, RuleRef};
use flowd_proto::Timestamp;
use flowd_proto::flow::{
    CiliumEventType, Emitter, Endpoint, Ethernet, Flow, FlowType, IcmPv4, IcmPv6, Ip, IpVersion,
    Layer4, NetworkInterface, Policy, Sctp, Tcp, Udp, Workload, layer4::Protocol,
};
use flowd_proto::flowd::v1::{self as ours, ConnectionState, FlowExtension};

use super::class::{Class, Transport, point};
use super::icmp::Message;
use super::mask::{Part, Parts};
use super::uuid::Boot;
use super::{reason, tcp};
use crate::enrich::{Decision, Directory, Party};
use crate::flow::Record;
use crate::flow::record::{Family, Judged, Side};

/// What a flow says beyond its record.
#[derive(Clone, Debug)]
pub struct View {
    /// Names of this node and its devices.
    pub directory: Arc<Directory>,
    /// What uuids are made of.
    pub boot: Boot,
}

/// Name of the emitter of our flows.
pub const EMITTER: &str = "flowd";
/// Version of the emitter of our flows.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parts of a record's flow.
pub fn build(record: &Record, view: &View, parts: Parts) -> Flow {
    let judged = &record.judged;
    let mut flow = Flow {
        time: parts.pick(Part::Time, || Some(timestamp(record.time))),
        verdict: parts.pick(Part::Verdict, || i32::from(judged.event.verdict)),
        ethernet: parts.pick(Part::Ethernet, || ethernet(judged)),
        ip: parts.pick(Part::Ip, || ip(judged)),
        l4: parts.pick(Part::L4, || layer4(judged)),
        source: parts.pick(Part::Source, || Some(endpoint(record.party(Side::Source)))),
        destination: parts.pick(Part::Destination, || {
            Some(endpoint(record.party(Side::Destination)))
        }),
        r#type: parts.pick(Part::Type, || FlowType::L3L4 as i32),
        node_name: parts.pick(Part::NodeName, || view.directory.node_name.clone()),
        reply: parts.pick(Part::Reply, || judged.is_reply()),
        event_type: parts.pick(Part::EventType, || {
            Some(CiliumEventType {
                r#type: judged.class().event_type(),
                sub_type: judged.sub_type(),
            })
        }),
        traffic_direction: parts.pick(Part::TrafficDirection, || judged.judged_direction() as i32),
        is_reply: parts.pick(Part::IsReply, || Some(judged.is_reply())),
        interface: parts.pick(Part::Interface, || interface(judged, &view.directory)),
        uuid: parts.pick(Part::Uuid, || uuid(record.seq, view.boot)),
        emitter: parts.pick(Part::Emitter, || {
            Some(Emitter {
                name: EMITTER.to_owned(),
                version: VERSION.to_owned(),
            })
        }),
        extensions: parts.pick(Part::Extensions, || Some(extension(record).pack())),
        summary: parts.pick(Part::Summary, || summary(judged)),
        ..Flow::default()
    };
    classify(&mut flow, judged, parts);
    name_policies(&mut flow, record, parts);
    flow.policy_log = policy_log(record, parts);
    flow
}

/// The fields that only some classes of flows have.
fn classify(flow: &mut Flow, judged: &Judged, parts: Parts) {
    match judged.class() {
        Class::PolicyVerdict => {
            flow.policy_match_type =
                parts.pick(Part::PolicyMatchType, || u32::from(judged.event.match_type));
        }
        Class::Drop(dropped) => {
            let number = reason::of(dropped).hubble;
            flow.drop_reason = parts.pick(Part::DropReason, || number.unsigned_abs());
            flow.drop_reason_desc = parts.pick(Part::DropReasonDesc, || number);
            flow.policy_match_type =
                parts.pick(Part::PolicyMatchType, || u32::from(judged.event.match_type));
        }
        Class::Trace(why) => {
            flow.trace_reason = parts.pick(Part::TraceReason, || why as i32);
            flow.trace_observation_point =
                parts.pick(Part::TraceObservationPoint, || match judged.direction {
                    Direction::Egress => point::FROM_ENDPOINT,
                    Direction::Ingress => point::TO_ENDPOINT,
                });
        }
    }
}

/// The four lists of policies a flow has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyList {
    EgressAllowed,
    IngressAllowed,
    EgressDenied,
    IngressDenied,
}

impl PolicyList {
    /// The list a record's policies stand in, if any.
    #[inline]
    pub(super) fn of(judged: &Judged) -> Option<Self> {
        let allowed = match judged.verdict {
            Verdict::Forward(
                ForwardReason::Allowed | ForwardReason::Reply | ForwardReason::Related,
            ) => true,
            Verdict::Forward(ForwardReason::Unenforced | ForwardReason::Neighbour) => return None,
            Verdict::Drop(reason) | Verdict::Audit(reason) => match reason {
                DropReason::DefaultDenied | DropReason::RuleDenied => false,
                DropReason::Malformed
                | DropReason::UnsupportedProtocol
                | DropReason::UnsupportedEthertype
                | DropReason::FragmentWithoutHead
                | DropReason::TableFull
                | DropReason::SourceAddress
                | DropReason::ExtensionHeader => return None,
            },
        };
        Some(match (judged.judged_direction(), allowed) {
            (Direction::Egress, true) => Self::EgressAllowed,
            (Direction::Ingress, true) => Self::IngressAllowed,
            (Direction::Egress, false) => Self::EgressDenied,
            (Direction::Ingress, false) => Self::IngressDenied,
        })
    }

    /// Its part of a mask and its field number.
    pub(super) const fn field(self) -> (Part, u32) {
        match self {
            Self::EgressAllowed => (Part::EgressAllowedBy, 21001),
            Self::IngressAllowed => (Part::IngressAllowedBy, 21002),
            Self::EgressDenied => (Part::EgressDeniedBy, 21004),
            Self::IngressDenied => (Part::IngressDeniedBy, 21005),
        }
    }
}

fn name_policies(flow: &mut Flow, record: &Record, parts: Parts) {
    let Some(list) = PolicyList::of(&record.judged) else {
        return;
    };
    let policies = parts.pick(list.field().0, || {
        record
            .decision
            .policies()
            .into_iter()
            .map(|policy| policy_message(policy, record.judged.event.generation))
            .collect()
    });
    match list {
        PolicyList::EgressAllowed => flow.egress_allowed_by = policies,
        PolicyList::IngressAllowed => flow.ingress_allowed_by = policies,
        PolicyList::EgressDenied => flow.egress_denied_by = policies,
        PolicyList::IngressDenied => flow.ingress_denied_by = policies,
    }
}

fn policy_log(record: &Record, parts: Parts) -> Vec<String> {
    parts.pick(Part::PolicyLog, || decision_log(&record.decision))
}

pub(super) fn decision_log(decision: &Decision) -> Vec<String> {
    let rules = decision.rules.iter().flatten();
    rules.filter_map(|rule| rule.log.clone()).collect()
}

pub(super) fn policy_message(policy: &PolicyRef, revision: u32) -> Policy {
    Policy {
        name: policy.name.clone(),
        namespace: policy.namespace.clone().unwrap_or_default(),
        labels: policy.labels.iter().map(ToString::to_string).collect(),
        revision: u64::from(revision),
        kind: policy.kind.name().to_owned(),
    }
}

pub(super) fn endpoint(party: &Party) -> Endpoint {
    Endpoint {
        id: party.endpoint_id,
        identity: party.identity,
        namespace: party.namespace.clone(),
        labels: party.labels.clone(),
        pod_name: party.name.clone(),
        workloads: party
            .workloads
            .iter()
            .map(|owner| Workload {
                name: owner.name.clone(),
                kind: owner.kind.clone(),
            })
            .collect(),
        cluster_name: party.cluster().to_owned(),
    }
}

/// Unix nanoseconds as a message.
pub fn timestamp(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn uuid(seq: u64, boot: Boot) -> String {
    boot.uuid(seq).hyphenated().to_string()
}

fn ethernet(judged: &Judged) -> Option<Ethernet> {
    let (source, destination) = (judged.event.source_mac, judged.event.destination_mac);
    // The sweep tells of connections, not of packets: it has no hardware addresses.
    (source != [0; 6] || destination != [0; 6]).then(|| Ethernet {
        source: mac(source),
        destination: mac(destination),
    })
}

fn mac(bytes: [u8; 6]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(17);
    for (index, byte) in bytes.into_iter().enumerate() {
        if index > 0 {
            text.push(':');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    text
}

fn ip(judged: &Judged) -> Option<Ip> {
    let version = match judged.family()? {
        Family::V4 => IpVersion::IPv4,
        Family::V6 => IpVersion::IPv6,
    };
    Some(Ip {
        source: judged.ip(Side::Source)?.to_string(),
        destination: judged.ip(Side::Destination)?.to_string(),
        ip_version: version as i32,
        ..Ip::default()
    })
}

fn layer4(judged: &Judged) -> Option<Layer4> {
    let source_port = u32::from(judged.port(Side::Source));
    let destination_port = u32::from(judged.port(Side::Destination));
    let (icmp_type, icmp_code) = (
        u32::from(judged.event.icmp_type),
        u32::from(judged.event.icmp_code),
    );
    let protocol = match judged.transport() {
        Transport::Tcp => Protocol::Tcp(Tcp {
            source_port,
            destination_port,
            flags: Some(tcp::message(judged.event.tcp_flags)),
        }),
        Transport::Udp => Protocol::Udp(Udp {
            source_port,
            destination_port,
        }),
        Transport::Sctp => Protocol::Sctp(Sctp {
            source_port,
            destination_port,
            ..Sctp::default()
        }),
        Transport::IcmpV4 => Protocol::IcmPv4(IcmPv4 {
            r#type: icmp_type,
            code: icmp_code,
        }),
        Transport::IcmpV6 => Protocol::IcmPv6(IcmPv6 {
            r#type: icmp_type,
            code: icmp_code,
        }),
        Transport::Other => return None,
    };
    Some(Layer4 {
        protocol: Some(protocol),
    })
}

fn interface(judged: &Judged, directory: &Directory) -> Option<NetworkInterface> {
    let index = judged.event.ifindex;
    (index != 0).then(|| NetworkInterface {
        index,
        name: directory
            .interfaces
            .get(&index)
            .cloned()
            .unwrap_or_default(),
    })
}

fn summary(judged: &Judged) -> String {
    let icmp = |family| Message {
        family,
        kind: judged.event.icmp_type,
        code: judged.event.icmp_code,
    };
    match (judged.transport(), judged.family()) {
        (Transport::Tcp, _) => tcp::summary(judged.event.tcp_flags),
        (Transport::Udp, _) => "UDP".to_owned(),
        (Transport::Sctp, _) => "SCTP".to_owned(),
        (Transport::IcmpV4, _) => format!("ICMPv4 {}", icmp(Family::V4)),
        (Transport::IcmpV6, _) => format!("ICMPv6 {}", icmp(Family::V6)),
        (Transport::Other, Some(Family::V4)) => "IPv4".to_owned(),
        (Transport::Other, Some(Family::V6)) => "IPv6".to_owned(),
        (Transport::Other, None) => "Ethernet".to_owned(),
    }
}

/// What flowd knows beyond Hubble's fields.
fn extension(record: &Record) -> FlowExtension {
    FlowExtension {
        rules: rule_messages(&record.decision),
        default_denied_by: record
            .decision
            .default_deniers()
            .map(default_denier)
            .collect(),
        cidr: record.peer.cidr.clone(),
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
        created: (event.created != 0).then(|| timestamp(created(record))),
        packets_told: numbers.told,
        deferred: event.flags & EventFlags::SWEPT != 0 && !goes_on(record.judged.kind),
        policy_generation: event.generation,
        connection_state: connection_state(&record.judged) as i32,
        reason: reason_name(record.judged.verdict).to_owned(),
        seeded: event.flags & EventFlags::SEEDED != 0,
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

/// When it began, in Unix time: as long before the event as the kernel's clock says.
fn created(record: &Record) -> i64 {
    let event = &record.judged.event;
    let age = i64::try_from(event.time.saturating_sub(event.created)).unwrap_or(i64::MAX);
    record.time.saturating_sub(age)
}

/// Packets and bytes, as the kind of the event means its fields.
struct Numbers {
    sent: (u64, u64),
    received: (u64, u64),
    told: u64,
}

impl Numbers {
    fn of(judged: &Judged) -> Self {
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
        Verdict::Forward(why) => reason::forward_name(why),
        Verdict::Drop(why) | Verdict::Audit(why) => reason::of(why).name,
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

fn rule_message(rule: &RuleRef) -> ours::RuleRef {
    ours::RuleRef {
        kind: rule.policy.kind.name().to_owned(),
        namespace: rule.policy.namespace.clone().unwrap_or_default(),
        name: rule.policy.name.clone(),
        file: rule.policy.file.clone(),
        line: rule.line,
        index: rule.index,
        direction: rule.direction as i32,
        action: match rule.action {
            Action::Allow => ours::RuleAction::Allow,
            Action::Deny => ours::RuleAction::Deny,
        } as i32,
    }
}

pub(super) fn default_denier(policy: &PolicyRef) -> ours::PolicyRef {
    ours::PolicyRef {
        kind: policy.kind.name().to_owned(),
        namespace: policy.namespace.clone().unwrap_or_default(),
        name: policy.name.clone(),
        file: policy.file.clone(),
        line: policy.line,
    }
}
