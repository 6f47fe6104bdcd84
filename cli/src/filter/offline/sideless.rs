//! Conditions on a flow as a whole.

use flowd_proto::flow::{
    EventTypeFilter, Flow, FlowFilter, Layer4, NetworkInterface, TcpFlags, Verdict, layer4, layer7,
};

use super::pattern::{AddressPattern, NodePattern, contains, labels, read, selector};
use super::{FilterError, Test, any_of, read_all};

pub(super) fn compile(filter: &FlowFilter, tests: &mut Vec<Test>) -> Result<(), FilterError> {
    any_of(tests, filter.uuid.clone(), |flow, uuid| flow.uuid == *uuid);
    any_of(tests, filter.verdict.clone(), |flow, verdict| {
        flow.verdict == *verdict
    });
    any_of(tests, filter.drop_reason_desc.clone(), |flow, reason| {
        flow.verdict() == Verdict::Dropped && flow.drop_reason_desc == *reason
    });
    any_of(tests, filter.event_type.clone(), event_type);
    any_of(
        tests,
        filter.traffic_direction.clone(),
        |flow, direction| flow.traffic_direction == *direction,
    );
    any_of(tests, filter.reply.clone(), |flow, reply| {
        match flow.is_reply {
            Some(is_reply) => is_reply == *reply,
            None => flow.verdict() == Verdict::Dropped && !*reply,
        }
    });
    any_of(tests, filter.ip_version.clone(), |flow, version| {
        flow.ip.as_ref().map_or(0, |ip| ip.ip_version) == *version
    });
    any_of(tests, filter.encrypted.clone(), |flow, encrypted| {
        flow.ip
            .as_ref()
            .is_some_and(|ip| ip.encrypted == *encrypted)
    });
    any_of(tests, filter.tcp_flags.clone(), tcp_flags);
    let protocols = read_all(&filter.protocol, protocol)?;
    any_of(tests, protocols, |flow, matches| matches(flow));
    any_of(tests, filter.interface.clone(), interface);
    any_of(
        tests,
        read_all(&filter.source_ip_xlated, read(AddressPattern::read))?,
        |flow, wanted| {
            let before = flow.ip.as_ref().map_or("", |ip| &ip.source_xlated);
            contains(wanted, before)
        },
    );
    any_of(
        tests,
        read_all(&filter.node_name, read(NodePattern::read))?,
        |flow, node| node.matches(&flow.node_name),
    );
    any_of(
        tests,
        read_all(&filter.node_labels, selector)?,
        |flow, wanted| wanted.matches(&labels(&flow.node_labels)),
    );
    any_of(tests, filter.ip_trace_id.clone(), |flow, id| {
        flow.ip_trace_id.is_some_and(|trace| trace.trace_id == *id)
    });
    Ok(())
}

fn event_type(flow: &Flow, wanted: &EventTypeFilter) -> bool {
    let (kind, sub) = flow
        .event_type
        .map_or((0, 0), |event| (event.r#type, event.sub_type));
    (wanted.r#type == 0 || wanted.r#type == kind)
        && (!wanted.match_sub_type || wanted.sub_type == sub)
}

fn tcp_flags(flow: &Flow, wanted: &TcpFlags) -> bool {
    let Some(layer4::Protocol::Tcp(tcp)) = flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref())
    else {
        return false;
    };
    let set = tcp.flags.unwrap_or_default();
    [
        (wanted.fin, set.fin),
        (wanted.syn, set.syn),
        (wanted.rst, set.rst),
        (wanted.psh, set.psh),
        (wanted.ack, set.ack),
        (wanted.urg, set.urg),
        (wanted.ece, set.ece),
        (wanted.cwr, set.cwr),
        (wanted.ns, set.ns),
    ]
    .into_iter()
    .all(|(wanted, set)| set || !wanted)
}

fn interface(flow: &Flow, wanted: &NetworkInterface) -> bool {
    flow.interface.as_ref().is_some_and(|device| {
        (wanted.index == 0 || wanted.index == device.index)
            && (wanted.name.is_empty() || wanted.name == device.name)
    })
}

fn protocol(text: &str) -> Result<fn(&Flow) -> bool, FilterError> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "tcp" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::Tcp(_))),
        "udp" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::Udp(_))),
        "sctp" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::Sctp(_))),
        "icmpv4" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::IcmPv4(_))),
        "icmpv6" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::IcmPv6(_))),
        "icmp" => |flow| {
            l4(flow, |p| {
                matches!(p, layer4::Protocol::IcmPv4(_) | layer4::Protocol::IcmPv6(_))
            })
        },
        "vrrp" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::Vrrp(_))),
        "igmp" => |flow| l4(flow, |p| matches!(p, layer4::Protocol::Igmp(_))),
        "dns" => |flow| l7(flow, |r| matches!(r, layer7::Record::Dns(_))),
        "http" => |flow| l7(flow, |r| matches!(r, layer7::Record::Http(_))),
        "kafka" => |flow| l7(flow, |r| matches!(r, layer7::Record::Kafka(_))),
        _ => return Err(FilterError::Value(format!("{text:?} is no protocol"))),
    })
}

fn l4(flow: &Flow, is: fn(&layer4::Protocol) -> bool) -> bool {
    let protocol = |l4: &Layer4| l4.protocol.as_ref().is_some_and(is);
    flow.l4.as_ref().is_some_and(protocol)
}

fn l7(flow: &Flow, is: fn(&layer7::Record) -> bool) -> bool {
    flow.l7
        .as_ref()
        .and_then(|l7| l7.record.as_ref())
        .is_some_and(is)
}
