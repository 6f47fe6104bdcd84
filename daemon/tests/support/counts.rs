//! Sums over flows.

use std::collections::BTreeSet;

use flowd_proto::flow::{Flow, layer4::Protocol};

/// Packets the flows speak for: those of their own and those a flood's later events summed up.
pub(crate) fn told_packets(flows: &[Flow]) -> u64 {
    let told = |flow: &Flow| {
        flow.extension()
            .map_or(0, |extension| extension.packets_told)
    };
    flows.iter().map(told).sum()
}

/// The source and destination ports that occur.
pub(crate) fn distinct_ports(flows: &[Flow]) -> BTreeSet<(u32, u32)> {
    flows.iter().filter_map(ports).collect()
}

fn ports(flow: &Flow) -> Option<(u32, u32)> {
    match flow.l4.as_ref()?.protocol.as_ref()? {
        Protocol::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
        Protocol::Udp(udp) => Some((udp.source_port, udp.destination_port)),
        Protocol::Sctp(sctp) => Some((sctp.source_port, sctp.destination_port)),
        Protocol::IcmPv4(_) | Protocol::IcmPv6(_) | Protocol::Vrrp(_) | Protocol::Igmp(_) => None,
    }
}
