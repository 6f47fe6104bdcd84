//! What flows tell of an attempt, in the words of offline answers.

use std::net::IpAddr;

use flowd_abi::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};
use flowd_policy::cases::{Case, EndAnswer, Verdict};
use flowd_proto::flow::{Flow, Policy, TrafficDirection, Verdict as Told, layer4::Protocol};

use super::world::End;

/// Whether a flow is about the attempt from this port, judged in this direction.
pub(super) fn is_about(
    flow: &Flow,
    case: &Case,
    [from, to]: &[End; 2],
    source: u16,
    direction: TrafficDirection,
) -> bool {
    let addresses = flow.ip.as_ref().is_some_and(|ip| {
        let same = |text: &str, address: IpAddr| text.parse() == Ok(address);
        same(&ip.source, from.address) && same(&ip.destination, to.address)
    });
    let l4 = flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref());
    let (source, port) = (u32::from(source), u32::from(case.port));
    let transport = match (l4, case.protocol) {
        (Some(Protocol::Tcp(tcp)), TCP) => {
            (tcp.source_port, tcp.destination_port) == (source, port)
        }
        (Some(Protocol::Udp(udp)), UDP) => {
            (udp.source_port, udp.destination_port) == (source, port)
        }
        (Some(Protocol::Sctp(sctp)), SCTP) => {
            (sctp.source_port, sctp.destination_port) == (source, port)
        }
        (Some(Protocol::IcmPv4(icmp)), ICMP) => icmp.r#type == port,
        (Some(Protocol::IcmPv6(icmp)), ICMPV6) => icmp.r#type == port,
        _ => false,
    };
    addresses && transport && flow.is_reply != Some(true) && flow.traffic_direction() == direction
}

/// How a flow differs from the answer of its end; `None` when it does not.
pub(super) fn difference(flow: &Flow, offline: &EndAnswer) -> Option<String> {
    let reason = flow
        .extension()
        .map_or_else(String::new, |extension| extension.reason);
    let expected = match (offline.verdict, offline.reason) {
        (Verdict::Allowed, _) => (Told::Forwarded, "allowed"),
        (Verdict::Unenforced, _) => (Told::Forwarded, "unenforced"),
        (Verdict::Denied, "denied by a rule") => (Told::Dropped, "rule_denied"),
        (Verdict::Denied, _) => (Told::Dropped, "default_denied"),
    };
    if (flow.verdict(), reason.as_str()) != expected {
        let verdict = flow.verdict().as_str_name();
        return Some(format!("is {verdict} as {reason}, not {expected:?}"));
    }
    let policies: Vec<String> = match offline.verdict {
        Verdict::Denied => flow.denied_by().iter().map(name).collect(),
        Verdict::Allowed | Verdict::Unenforced => flow.allowed_by().iter().map(name).collect(),
    };
    // A table entry names one rule of those that say the same; a default deny names all its policies.
    let all = expected.1 == "default_denied";
    let known = policies
        .iter()
        .all(|policy| offline.policies.contains(policy));
    let enough = if all {
        policies.len() == offline.policies.len()
    } else {
        policies.is_empty() == offline.policies.is_empty()
    };
    let offline = &offline.policies;
    (!known || !enough).then(|| format!("names {policies:?}, not {offline:?}"))
}

fn name(policy: &Policy) -> String {
    let parts = [&policy.kind, &policy.namespace, &policy.name];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("/")
}
