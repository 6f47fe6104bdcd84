//! Flows a test waits for, as a filter the server applies.

use std::net::IpAddr;

use flowd_proto::flow::{
    EventTypeFilter, Flow, FlowFilter, IpVersion, TrafficDirection, Verdict, layer4::Protocol,
};
use flowd_testbed::Pod;

/// A filter in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted(pub(crate) FlowFilter);

/// Flows of a protocol: `tcp`, `udp`, `icmpv4`, `icmpv6`.
pub(crate) fn flow_of(protocol: &str) -> Wanted {
    Wanted(FlowFilter {
        protocol: vec![protocol.to_owned()],
        ..FlowFilter::default()
    })
}

impl Wanted {
    pub(crate) fn from(mut self, pod: &Pod) -> Self {
        self.0.source_pod = vec![name(pod)];
        self
    }

    pub(crate) fn to(mut self, pod: &Pod) -> Self {
        self.0.destination_pod = vec![name(pod)];
        self
    }

    pub(crate) fn source_ip(mut self, address: impl Into<IpAddr>) -> Self {
        self.0.source_ip = vec![address.into().to_string()];
        self
    }

    pub(crate) fn destination_ip(mut self, address: impl Into<IpAddr>) -> Self {
        self.0.destination_ip = vec![address.into().to_string()];
        self
    }

    /// To this port.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.0.destination_port = vec![port.to_string()];
        self
    }

    /// From this port.
    pub(crate) fn source_port(mut self, port: u16) -> Self {
        self.0.source_port = vec![port.to_string()];
        self
    }

    pub(crate) fn family(mut self, address: impl Into<IpAddr>) -> Self {
        let version = match address.into() {
            IpAddr::V4(_) => IpVersion::IPv4,
            IpAddr::V6(_) => IpVersion::IPv6,
        };
        self.0.ip_version = vec![version.into()];
        self
    }

    pub(crate) fn forwarded(self) -> Self {
        self.verdict(Verdict::Forwarded)
    }

    pub(crate) fn dropped(self) -> Self {
        self.verdict(Verdict::Dropped)
    }

    pub(crate) fn audited(self) -> Self {
        self.verdict(Verdict::Audit)
    }

    /// Judged on the way to the workload.
    pub(crate) fn ingress(mut self) -> Self {
        self.0.traffic_direction = vec![TrafficDirection::Ingress.into()];
        self
    }

    /// Judged on the way from the workload.
    pub(crate) fn egress(mut self) -> Self {
        self.0.traffic_direction = vec![TrafficDirection::Egress.into()];
        self
    }

    /// Answers only, or no answers.
    pub(crate) fn reply(mut self, reply: bool) -> Self {
        self.0.reply = vec![reply];
        self
    }

    /// Of Hubble's event type.
    pub(crate) fn event_type(mut self, number: i32) -> Self {
        self.0.event_type = vec![EventTypeFilter {
            r#type: number,
            ..EventTypeFilter::default()
        }];
        self
    }

    fn verdict(mut self, verdict: Verdict) -> Self {
        self.0.verdict = vec![verdict.into()];
        self
    }
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.kubernetes_namespace, pod.name)
}

/// A flow in one line, for messages.
pub(crate) fn line(flow: &Flow) -> String {
    let (from, to) = flow.ip.as_ref().map_or(("?", "?"), |ip| {
        (ip.source.as_str(), ip.destination.as_str())
    });
    let (from_port, to_port) = match flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref()) {
        Some(Protocol::Tcp(tcp)) => (tcp.source_port, tcp.destination_port),
        Some(Protocol::Udp(udp)) => (udp.source_port, udp.destination_port),
        Some(
            Protocol::Sctp(_)
            | Protocol::IcmPv4(_)
            | Protocol::IcmPv6(_)
            | Protocol::Vrrp(_)
            | Protocol::Igmp(_),
        )
        | None => (0, 0),
    };
    format!(
        "{from}:{from_port} -> {to}:{to_port} {} {} {} {} reply={:?}",
        flow.summary,
        flow.verdict().as_str_name(),
        flow.traffic_direction().as_str_name(),
        flow.drop_reason_desc().as_str_name(),
        flow.is_reply,
    )
}
