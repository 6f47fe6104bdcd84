//! ICMP and ICMPv6: queries and answers, errors about connections, neighbour discovery.

use flowd_abi::{DropReason, EventKind, Verdict, event::EventFlags};

use super::{ALLOWED, Cases, DEFAULT_DENIED, RELATED, REPLY, Tells, matched};
use crate::common::{
    frame::{Ip, SYN, ip},
    world::{DNS, Family, UNNAMED, WEB, World, rule},
};

pub fn add(cases: &mut Cases, family: Family) {
    echo(cases, family);
    unsolicited(cases, family);
    errors_received(cases, family);
    errors_sent(cases, family);
    error_after_revocation(cases, family);
}

/// The port field that stands for "port unreachable".
pub fn unreachable_message(family: Family) -> u16 {
    match family {
        Family::V4 => 3 << 8 | 3,
        Family::V6 => 1 << 8 | 4,
    }
}

fn echo(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "an echo and its answer");
    let out = ip(family.workload(), family.friend());
    let back = ip(family.friend(), family.workload());
    let told = Tells::opening((9, 0), rule::FRIEND_PING, matched::L3_L4);
    case.sends(&out.clone().ping(9), ALLOWED, Some(told));
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    case.receives(
        &back.clone().pong(9),
        REPLY,
        Some(reply.flagged(EventFlags::REPLY)),
    );
    case.sends(&out.ping(9), ALLOWED, None);
    case.receives(&back.clone().pong(9), REPLY, None);
    // The peer asks under the same identifier: another exchange.
    let other = Tells::opening((0, 9), rule::FRIEND_PING, matched::L3_L4);
    case.receives(&back.ping(9), ALLOWED, Some(other));

    let case = cases.add(family, "an echo from the other side under the identifier 0");
    case.changes(|world| world.change(|endpoint| endpoint.ingress_policy += 2));
    let told = Tells::opening((0, 0), rule::FRIEND_PING, matched::L3_L4);
    let out = ip(family.workload(), family.friend());
    let back = ip(family.friend(), family.workload());
    case.sends(&out.ping(0), ALLOWED, Some(told));
    let drop = Tells::drop(DropReason::DefaultDenied, (0, 0));
    case.receives(&back.ping(0), DEFAULT_DENIED, Some(drop));

    let case = cases.add(family, "a denied echo");
    let stranger = ip(family.stranger(), family.workload()).ping(9);
    let drop = Tells::drop(DropReason::DefaultDenied, (0, 9));
    case.receives(&stranger, DEFAULT_DENIED, Some(drop));
    case.receives(&stranger, DEFAULT_DENIED, None);
}

fn unsolicited(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "an echo reply nobody asked for");
    let message = match family {
        Family::V4 => 0,
        Family::V6 => 129 << 8,
    };
    let answer = ip(family.friend(), family.workload()).pong(9);
    let drop = Tells::drop(DropReason::DefaultDenied, (0, message));
    case.receives(&answer, DEFAULT_DENIED, Some(drop));
    case.receives(&answer, DEFAULT_DENIED, None);
    let told = Tells::opening((9, 0), rule::FRIEND_PING, matched::L3_L4);
    let ping = ip(family.workload(), family.friend()).ping(9);
    case.sends(&ping, ALLOWED, Some(told));
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    case.receives(&answer, REPLY, Some(reply.flagged(EventFlags::REPLY)));
}

fn errors_received(cases: &mut Cases, family: Family) {
    let message = unreachable_message(family);
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    let from_router = |about: &Ip| ip(family.outside(), family.workload()).unreachable(about);

    let case = cases.add(family, "an error about an allowed connection");
    case.sends(&query, ALLOWED, Some(told));
    case.receives(&from_router(&query), RELATED, None);
    case.receives(
        &ip(family.friend(), family.workload()).unreachable(&query),
        RELATED,
        None,
    );

    let case = cases.add(family, "an error about an allowed echo");
    let ping = ip(family.workload(), family.friend()).ping(9);
    let pinged = Tells::opening((9, 0), rule::FRIEND_PING, matched::L3_L4);
    case.sends(&ping, ALLOWED, Some(pinged));
    case.receives(&from_router(&ping), RELATED, None);

    let case = cases.add(family, "an error about nothing known");
    let drop = Tells::drop(DropReason::DefaultDenied, (0, message));
    case.receives(&from_router(&query), DEFAULT_DENIED, Some(drop));
    case.sends(&query, ALLOWED, Some(told));
    let other = ip(family.workload(), family.friend()).udp(5353, UNNAMED);
    case.receives(&from_router(&other), DEFAULT_DENIED, None);

    let case = cases.add(family, "an error about a denied flow");
    let denied = ip(family.workload(), family.stranger()).udp(5353, DNS);
    let dropped = Tells::drop(DropReason::DefaultDenied, (5353, DNS));
    case.sends(&denied, DEFAULT_DENIED, Some(dropped));
    case.receives(&from_router(&denied), DEFAULT_DENIED, Some(drop));
}

fn errors_sent(cases: &mut Cases, family: Family) {
    let message = unreachable_message(family);
    let syn = ip(family.friend(), family.workload()).tcp(40_000, WEB, SYN);
    let told = Tells::opening((WEB, 40_000), rule::FRIEND_WEB, matched::L3_L4);

    let case = cases.add(
        family,
        "an error the workload sends about a connection it serves",
    );
    case.receives(&syn, ALLOWED, Some(told));
    case.sends(
        &ip(family.workload(), family.friend()).unreachable(&syn),
        RELATED,
        None,
    );

    let case = cases.add(
        family,
        "an error sent to another than the quoted packet's sender",
    );
    case.receives(&syn, ALLOWED, Some(told));
    let drop = Tells::drop(DropReason::DefaultDenied, (message, 0));
    let elsewhere = ip(family.workload(), family.outside()).unreachable(&syn);
    case.sends(&elsewhere, DEFAULT_DENIED, Some(drop));

    let case = cases.add(
        family,
        "an error sent from a source that is not the workload's",
    );
    case.receives(&syn, ALLOWED, Some(told));
    let reason = DropReason::SourceAddress;
    let forged = ip(family.outside(), family.friend()).unreachable(&syn);
    let drop = Tells::drop(reason, (message, 0)).spoofed();
    case.sends(&forged, Verdict::Drop(reason), Some(drop));
}

fn error_after_revocation(cases: &mut Cases, family: Family) {
    let case = cases.add(
        family,
        "an error about a connection the policy no longer allows",
    );
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(&query, ALLOWED, Some(told));
    case.changes(World::allow_nothing);
    let error = ip(family.outside(), family.workload()).unreachable(&query);
    let drop = Tells::drop(DropReason::DefaultDenied, (0, unreachable_message(family)));
    case.receives(&error, DEFAULT_DENIED, Some(drop));
}
