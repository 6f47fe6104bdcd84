//! TCP, UDP and SCTP under the rules of the world.

use flowd_abi::{
    DropReason, EventKind, Verdict, endpoint::EndpointFlags, event::EventFlags, protocol,
};

use super::{ALLOWED, Cases, DEFAULT_DENIED, REPLY, RULE_DENIED, Tells, UNENFORCED, matched};
use crate::common::{
    frame::{ACK, FIN, RST, SYN, ip},
    world::{DENIED, DNS, Family, NEVER, NTP, RANGE, SCTP, TLS, UNNAMED, WEB, rule},
};

pub fn add(cases: &mut Cases, family: Family) {
    conversation(cases, family);
    served(cases, family);
    resets(cases, family);
    answering_side(cases, family);
    datagrams(cases, family);
    rules(cases, family);
    denials(cases, family);
    unsupported(cases, family);
    sources(cases, family);
}

fn conversation(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a TCP conversation the workload opens");
    let (out, back) = (
        ip(family.workload(), family.friend()),
        ip(family.friend(), family.workload()),
    );
    let ports = (40_000, WEB);
    let told = |kind| Tells::new(kind, ALLOWED, ports).by(rule::FRIEND_WEB, matched::L3_L4);
    let sent = |flags| out.clone().tcp(40_000, WEB, flags);
    let received = |flags| back.clone().tcp(WEB, 40_000, flags);
    case.sends(&sent(SYN), ALLOWED, Some(told(EventKind::Open)));
    case.sends(&sent(SYN), ALLOWED, None);
    let reply = told(EventKind::Reply).flagged(EventFlags::REPLY);
    case.receives(&received(SYN | ACK), REPLY, Some(reply));
    case.sends(&sent(ACK), ALLOWED, None);
    case.receives(&received(ACK), REPLY, None);
    case.sends(&sent(FIN | ACK), ALLOWED, None);
    let close = told(EventKind::Close).flagged(EventFlags::REPLY);
    case.receives(&received(FIN | ACK), REPLY, Some(close));
    case.sends(&sent(ACK), ALLOWED, None);
    // The same ports again: a new connection.
    case.sends(&sent(SYN), ALLOWED, Some(told(EventKind::Open)));
}

fn served(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a TCP conversation the workload serves");
    let (out, back) = (
        ip(family.workload(), family.friend()),
        ip(family.friend(), family.workload()),
    );
    let told = |kind| Tells::new(kind, ALLOWED, (WEB, 40_000)).by(rule::FRIEND_WEB, matched::L3_L4);
    case.receives(
        &back.clone().tcp(40_000, WEB, SYN),
        ALLOWED,
        Some(told(EventKind::Open)),
    );
    let reply = told(EventKind::Reply).flagged(EventFlags::REPLY);
    case.sends(&out.clone().tcp(WEB, 40_000, SYN | ACK), REPLY, Some(reply));
    case.receives(&back.tcp(40_000, WEB, ACK), ALLOWED, None);
    case.sends(&out.tcp(WEB, 40_000, ACK), REPLY, None);
}

fn resets(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a refused TCP connection");
    let told = |kind| Tells::new(kind, ALLOWED, (40_000, WEB)).by(rule::FRIEND_WEB, matched::L3_L4);
    let syn = ip(family.workload(), family.friend()).tcp(40_000, WEB, SYN);
    case.sends(&syn, ALLOWED, Some(told(EventKind::Open)));
    let refusal = ip(family.friend(), family.workload()).tcp(WEB, 40_000, RST | ACK);
    let close = told(EventKind::Close).flagged(EventFlags::REPLY);
    case.receives(&refusal, REPLY, Some(close));
    case.receives(&refusal, REPLY, None);
    case.sends(&syn, ALLOWED, Some(told(EventKind::Open)));
}

fn answering_side(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a SYN from the side that answers is judged");
    let told = Tells::opening((40_000, WEB), rule::FRIEND_WEB, matched::L3_L4);
    let sent = ip(family.workload(), family.friend()).tcp(40_000, WEB, SYN);
    let back = ip(family.friend(), family.workload());
    case.sends(&sent, ALLOWED, Some(told));
    let syn = back.clone().tcp(WEB, 40_000, SYN);
    let drop = Tells::drop(DropReason::DefaultDenied, (40_000, WEB));
    case.receives(&syn, DEFAULT_DENIED, Some(drop));
    case.receives(&syn, DEFAULT_DENIED, None);
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    let answer = back.tcp(WEB, 40_000, SYN | ACK);
    case.receives(&answer, REPLY, Some(reply.flagged(EventFlags::REPLY)));
}

fn datagrams(cases: &mut Cases, family: Family) {
    let (out, back) = (
        ip(family.workload(), family.friend()),
        ip(family.friend(), family.workload()),
    );
    let case = cases.add(family, "a UDP exchange");
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(&out.clone().udp(5353, DNS), ALLOWED, Some(told));
    case.sends(&out.clone().udp(5353, DNS), ALLOWED, None);
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    let reply = reply.flagged(EventFlags::REPLY);
    case.receives(&back.clone().udp(DNS, 5353), REPLY, Some(reply));
    case.receives(&back.clone().udp(DNS, 5353), REPLY, None);

    let case = cases.add(family, "an SCTP exchange, allowed by its protocol");
    let told = Tells::opening((SCTP, 7), rule::FRIEND_SCTP, matched::L3_PROTOCOL);
    case.receives(&back.clone().sctp(7, SCTP), ALLOWED, Some(told));
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    let reply = reply.flagged(EventFlags::REPLY);
    case.sends(&out.sctp(SCTP, 7), REPLY, Some(reply));
    let stranger = ip(family.stranger(), family.workload()).sctp(7, SCTP);
    let drop = Tells::drop(DropReason::DefaultDenied, (SCTP, 7));
    case.receives(&stranger, DEFAULT_DENIED, Some(drop));

    let case = cases.add(family, "a port allowed to any peer");
    let outside = ip(family.workload(), family.outside()).udp(NTP, NTP);
    let told = Tells::opening((NTP, NTP), rule::ANY_NTP, matched::L4_ONLY);
    case.sends(&outside, ALLOWED, Some(told));
}

fn rules(cases: &mut Cases, family: Family) {
    let out = ip(family.workload(), family.friend());
    let case = cases.add(family, "a CIDR class");
    let classed = ip(family.workload(), family.classed());
    let told = Tells::opening((40_000, TLS), rule::CLASS_TLS, matched::L3_L4);
    case.sends(&classed.clone().tcp(40_000, TLS, SYN), ALLOWED, Some(told));
    let drop = Tells::drop(DropReason::DefaultDenied, (40_000, WEB));
    case.sends(&classed.tcp(40_000, WEB, SYN), DEFAULT_DENIED, Some(drop));

    let case = cases.add(family, "a range of ports");
    for (port, inside) in [
        (RANGE - 1, false),
        (RANGE, true),
        (RANGE + 15, true),
        (RANGE + 16, false),
    ] {
        let ports = (40_000, port);
        let syn = out.clone().tcp(40_000, port, SYN);
        if inside {
            let told = Tells::opening(ports, rule::FRIEND_RANGE, matched::L3_L4);
            case.sends(&syn, ALLOWED, Some(told));
        } else {
            let drop = Tells::drop(DropReason::DefaultDenied, ports);
            case.sends(&syn, DEFAULT_DENIED, Some(drop));
        }
    }

    let case = cases.add(family, "a deny rule");
    let drop = Tells::drop(DropReason::RuleDenied, (40_000, DENIED))
        .by(rule::FRIEND_DENIED, matched::L3_L4);
    case.sends(
        &out.clone().tcp(40_000, DENIED, SYN),
        RULE_DENIED,
        Some(drop),
    );

    let case = cases.add(
        family,
        "a deny rule for any peer above an allow for this one",
    );
    let drop =
        Tells::drop(DropReason::RuleDenied, (40_000, NEVER)).by(rule::ANY_DENIED, matched::L4_ONLY);
    case.sends(&out.tcp(40_000, NEVER, SYN), RULE_DENIED, Some(drop));
}

fn denials(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a denied flow is told once and counted");
    let ports = (40_000, UNNAMED);
    let drop = Tells::drop(DropReason::DefaultDenied, ports);
    let sent = ip(family.workload(), family.stranger()).tcp(ports.0, ports.1, SYN);
    case.sends(&sent, DEFAULT_DENIED, Some(drop));
    case.sends(&sent, DEFAULT_DENIED, None);
    case.sends(&sent, DEFAULT_DENIED, None);
    // The other direction is judged for itself.
    let back = ip(family.stranger(), family.workload()).tcp(ports.1, ports.0, SYN);
    case.receives(&back, DEFAULT_DENIED, Some(drop));
    case.receives(&back, DEFAULT_DENIED, None);
}

fn unsupported(cases: &mut Cases, family: Family) {
    const GRE: u8 = 47;
    let sent = ip(family.workload(), family.friend()).raw(GRE, vec![0; 8]);
    let case = cases.add(family, "a protocol no policy can name");
    let drop = Tells::drop(DropReason::UnsupportedProtocol, (0, 0));
    let verdict = Verdict::Drop(DropReason::UnsupportedProtocol);
    case.sends(&sent, verdict, Some(drop));
    case.sends(&sent, verdict, None);
    case.changes(|world| world.change(|endpoint| endpoint.egress_policy = 0));
    let told = Tells::new(EventKind::Open, UNENFORCED, (0, 0));
    case.sends(&sent, UNENFORCED, Some(told));
    case.sends(&sent, UNENFORCED, None);

    // ICMP only counts under the IP version it belongs to.
    let case = cases.add(family, "ICMP of the other IP version");
    let foreign = match family {
        Family::V4 => protocol::ICMPV6,
        Family::V6 => protocol::ICMP,
    };
    let sent = ip(family.workload(), family.friend()).raw(foreign, vec![8, 0, 0, 0, 0, 1, 0, 1]);
    case.sends(&sent, verdict, Some(drop));
}

fn sources(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a source that is not the workload's");
    let sent = ip(family.outside(), family.friend()).tcp(40_000, WEB, SYN);
    let verdict = Verdict::Drop(DropReason::SourceAddress);
    let drop = Tells::drop(DropReason::SourceAddress, (40_000, WEB)).spoofed();
    case.sends(&sent, verdict, Some(drop));
    case.sends(&sent, verdict, None);

    let case = cases.add(family, "the source check, switched off");
    case.changes(|world| {
        world.change(|endpoint| endpoint.flags &= !EndpointFlags::CHECK_SOURCE);
    });
    let told = Tells::opening((40_000, WEB), rule::FRIEND_WEB, matched::L3_L4).spoofed();
    case.sends(&sent, ALLOWED, Some(told));
    case.sends(&sent, ALLOWED, None);
}
