//! A stored record as Hubble's flow.

use flowd_abi::{Direction, DropReason, ForwardReason, Verdict};
use flowd_policy::PolicyRef;
use flowd_proto::Timestamp;
use flowd_proto::flow::{
    CiliumEventType, Emitter, Endpoint, Ethernet, Flow, FlowType, IcmPv4, IcmPv6, Ip, IpVersion,
    Layer4, NetworkInterface, Policy, Sctp, Tcp, Udp, Workload, layer4::Protocol,
};
use flowd_proto::reason;

use super::class::{Class, Transport, point};
use super::extension::extension;
use super::icmp::Message;
use super::mask::{Part, Parts};
use super::tcp;
use super::uuid::Boot;
use crate::enrich::{Decision, Directory, DirectoryHandle, Party};
use crate::flow::Record;
use crate::flow::record::{Family, Judged, Side};

/// What a flow says beyond its record.
#[derive(Clone, Debug)]
pub struct View {
    /// Names of this node and its devices.
    pub directory: DirectoryHandle,
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
    let directory = view.directory.load();
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
        node_name: parts.pick(Part::NodeName, || directory.node_name.clone()),
        reply: parts.pick(Part::Reply, || judged.is_reply()),
        event_type: parts.pick(Part::EventType, || {
            Some(CiliumEventType {
                r#type: judged.class().event_type(),
                sub_type: judged.sub_type(),
            })
        }),
        traffic_direction: parts.pick(Part::TrafficDirection, || judged.judged_direction() as i32),
        is_reply: parts.pick(Part::IsReply, || Some(judged.is_reply())),
        interface: parts.pick(Part::Interface, || interface(judged, &directory)),
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
            let number = reason::of(dropped).number();
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
            Verdict::Forward(
                ForwardReason::Unenforced
                | ForwardReason::Neighbour
                | ForwardReason::OperatorGuard
                | ForwardReason::Masqueraded,
            ) => return None,
            Verdict::Drop(reason) | Verdict::Audit(reason) => match reason {
                DropReason::DefaultDenied | DropReason::RuleDenied => false,
                DropReason::Malformed
                | DropReason::UnsupportedProtocol
                | DropReason::UnsupportedEthertype
                | DropReason::FragmentWithoutHead
                | DropReason::TableFull
                | DropReason::SourceAddress
                | DropReason::ExtensionHeader
                | DropReason::KernelNoSocket
                | DropReason::KernelQueueFull
                | DropReason::KernelUnreachable
                | DropReason::KernelFiltered
                | DropReason::KernelInvalid
                | DropReason::KernelOther => return None,
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
