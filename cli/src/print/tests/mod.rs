//! Fixed answers for the printers; the tests beside this file say what must become of them.

use flowd_proto::Timestamp;
use flowd_proto::flow::{
    AuthType, CiliumEventType, Dns, DropReason, Endpoint, Ethernet, Flow, IcmPv4, Ip, IpTraceId,
    IpVersion, L7FlowType, Layer4, Layer7, LostEvent, LostEventSource, Policy, Service, Tcp,
    TcpFlags, TrafficDirection, Udp, Verdict, layer4, layer7,
};
use flowd_proto::flowd::v1::{EventKind, FlowExtension, PolicyRef, Process, RuleAction, RuleRef};
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use flowd_proto::relay::{NodeState, NodeStatusEvent};

use super::*;

mod aggregates;
mod formats;
mod words;

pub(super) const STYLE: Style = Style {
    node_name: false,
    policy_names: true,
    time: TimeFormat::StampMilli,
    numeric: false,
    names: true,
    process: false,
    paint: Paint::NONE,
};
pub(super) const NODE: Style = Style {
    node_name: true,
    ..STYLE
};
pub(super) const TIME: Timestamp = Timestamp {
    seconds: 1234,
    nanos: 567_800_000,
};

pub(super) fn syn() -> Flow {
    Flow {
        time: Some(TIME),
        verdict: Verdict::Dropped.into(),
        drop_reason_desc: DropReason::PolicyDenied.into(),
        ip: Some(Ip {
            source: "1.1.1.1".into(),
            destination: "2.2.2.2".into(),
            ip_version: IpVersion::IPv4.into(),
            ..Ip::default()
        }),
        l4: Some(Layer4 {
            protocol: Some(layer4::Protocol::Tcp(Tcp {
                source_port: 31793,
                destination_port: 8080,
                flags: Some(TcpFlags {
                    syn: true,
                    ..TcpFlags::default()
                }),
            })),
        }),
        source: Some(Endpoint {
            identity: 4,
            ..Endpoint::default()
        }),
        destination: Some(Endpoint {
            identity: 12345,
            ..Endpoint::default()
        }),
        event_type: Some(CiliumEventType {
            r#type: 1,
            sub_type: 133,
        }),
        is_reply: Some(false),
        traffic_direction: TrafficDirection::Ingress.into(),
        summary: "TCP Flags: SYN".into(),
        ..Flow::default()
    }
}

pub(super) fn answer(flow: Flow) -> GetFlowsResponse {
    GetFlowsResponse {
        node_name: "k8s1".into(),
        time: flow.time,
        response_types: Some(ResponseTypes::Flow(flow)),
    }
}

pub(super) fn lost() -> GetFlowsResponse {
    GetFlowsResponse {
        node_name: "k8s1".into(),
        time: Some(TIME),
        response_types: Some(ResponseTypes::LostEvents(LostEvent {
            source: LostEventSource::HubbleRingBuffer.into(),
            num_events_lost: 1,
            cpu: Some(5),
            ..LostEvent::default()
        })),
    }
}

pub(super) fn shown(output: Output, style: Style, answers: &[GetFlowsResponse]) -> String {
    let mut out = Vec::new();
    let mut printer = printer(output, style);
    for answer in answers {
        printer.print(answer, &mut out).expect("memory");
    }
    printer.finish(&mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

pub(super) fn line(flow: Flow) -> String {
    shown(Output::Compact, STYLE, &[answer(flow)])
}
