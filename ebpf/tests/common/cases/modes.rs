//! What the endpoint's mode and its policy make of a packet, and what a change of them does to a
//! live connection.

use flowd_abi::{
    Direction, DropReason, EventKind, Verdict, endpoint::EndpointFlags, event::EventFlags,
};

use super::{ALLOWED, Cases, DEFAULT_DENIED, REPLY, Tells, UNENFORCED, matched};
use crate::common::{
    frame::{ACK, SYN, ip},
    world::{DENIED, DNS, Family, UNNAMED, World, rule},
};

const AUDITED: Verdict = Verdict::Audit(DropReason::DefaultDenied);

pub fn add(cases: &mut Cases, family: Family) {
    audit(cases, family);
    unguarded(cases, family);
    unenforced(cases, family);
    cut(cases, family);
    restored(cases, family);
    unchanged(cases, family);
    from_audit(cases, family);
    source_checked(cases, family);
}

fn audit(cases: &mut Cases, family: Family) {
    let case = cases.add(
        family,
        "audit mode: what would be denied passes and says so",
    );
    case.changes(|world| world.change(|endpoint| endpoint.flags |= EndpointFlags::AUDIT));
    let out = ip(family.workload(), family.stranger());
    let told = Tells::new(EventKind::Open, AUDITED, (40_000, UNNAMED));
    case.sends(&out.clone().tcp(40_000, UNNAMED, SYN), AUDITED, Some(told));
    case.sends(&out.clone().tcp(40_000, UNNAMED, SYN), AUDITED, None);
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    let answer = ip(family.stranger(), family.workload()).tcp(UNNAMED, 40_000, SYN | ACK);
    case.receives(&answer, REPLY, Some(reply.flagged(EventFlags::REPLY)));
    let by_rule = Verdict::Audit(DropReason::RuleDenied);
    let told = Tells::new(EventKind::Open, by_rule, (40_000, DENIED))
        .by(rule::FRIEND_DENIED, matched::L3_L4);
    let friend = ip(family.workload(), family.friend()).tcp(40_000, DENIED, SYN);
    case.sends(&friend, by_rule, Some(told));

    let unsupported = Verdict::Audit(DropReason::UnsupportedProtocol);
    let told = Tells::new(EventKind::Drop, unsupported, (0, 0));
    case.sends(&out.clone().raw(47, vec![0; 8]), unsupported, Some(told));
    case.sends(&out.raw(47, vec![0; 8]), unsupported, None);
}

fn unguarded(cases: &mut Cases, family: Family) {
    let sent = ip(family.workload(), family.stranger()).tcp(40_000, UNNAMED, SYN);
    let case = cases.add(family, "mode off: nothing is judged");
    case.changes(|world| world.change(|endpoint| endpoint.flags |= EndpointFlags::OFF));
    case.packet(Direction::Egress, sent.frame(true), None, None);
    case.packet(Direction::Ingress, sent.frame(true), None, None);

    let case = cases.add(family, "no workload behind the device");
    case.changes(|world| world.endpoint = None);
    case.packet(Direction::Egress, sent.frame(true), None, None);
    case.packet(Direction::Ingress, sent.frame(true), None, None);
}

fn unenforced(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "no policy in this direction");
    case.changes(|world| world.change(|endpoint| endpoint.egress_policy = 0));
    let out = ip(family.workload(), family.stranger());
    let told = Tells::new(EventKind::Open, UNENFORCED, (40_000, UNNAMED));
    case.sends(
        &out.clone().tcp(40_000, UNNAMED, SYN),
        UNENFORCED,
        Some(told),
    );
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    let back = ip(family.stranger(), family.workload());
    let answer = back.clone().tcp(UNNAMED, 40_000, SYN | ACK);
    case.receives(&answer, REPLY, Some(reply.flagged(EventFlags::REPLY)));
    // The other direction is enforced.
    let drop = Tells::drop(DropReason::DefaultDenied, (UNNAMED, 41_000));
    case.receives(&back.tcp(41_000, UNNAMED, SYN), DEFAULT_DENIED, Some(drop));
}

fn cut(cases: &mut Cases, family: Family) {
    let out = ip(family.workload(), family.friend());
    let back = ip(family.friend(), family.workload());
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    let (query, answer) = (out.udp(5353, DNS), back.udp(DNS, 5353));
    let drop = Tells::drop(DropReason::DefaultDenied, (5353, DNS));

    let case = cases.add(
        family,
        "a revoked connection is cut at the workload's next packet",
    );
    case.sends(&query, ALLOWED, Some(told));
    case.changes(World::allow_nothing);
    case.sends(&query, DEFAULT_DENIED, Some(drop));
    case.sends(&query, DEFAULT_DENIED, None);
    // The same flow, the same verdict: counted, not told again, whichever side goes on.
    case.receives(&answer, DEFAULT_DENIED, None);
    case.sends(&query, DEFAULT_DENIED, None);

    let case = cases.add(
        family,
        "a revoked connection is cut at the peer's next packet",
    );
    case.sends(&query, ALLOWED, Some(told));
    case.changes(World::allow_nothing);
    case.receives(
        &answer,
        DEFAULT_DENIED,
        Some(drop.flagged(EventFlags::REPLY)),
    );
    case.receives(&answer, DEFAULT_DENIED, None);
    case.sends(&query, DEFAULT_DENIED, None);
}

fn restored(cases: &mut Cases, family: Family) {
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    let drop = Tells::drop(DropReason::DefaultDenied, (5353, DNS));

    let case = cases.add(family, "a cut connection that is allowed again goes on");
    case.sends(&query, ALLOWED, Some(told));
    let mut allowing = case.world.clone();
    case.changes(World::allow_nothing);
    case.sends(&query, DEFAULT_DENIED, Some(drop));
    allowing.endpoint().generation = case.world.endpoint().generation + 1;
    case.changes(|world| *world = allowing);
    // Its verdict is left for the sweep to tell.
    case.sends(&query, ALLOWED, None);

    let case = cases.add(family, "a denied flow that becomes allowed opens");
    let allowing = case.world.clone();
    case.changes(World::allow_nothing);
    case.sends(&query, DEFAULT_DENIED, Some(drop));
    case.changes(|world| {
        let generation = world.endpoint().generation + 1;
        *world = allowing;
        world.endpoint().generation = generation;
    });
    case.sends(&query, ALLOWED, Some(told));
}

fn unchanged(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a new policy that allows the same changes nothing");
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(&query, ALLOWED, Some(told));
    case.changes(|world| {
        let policy = world.endpoint().egress_policy + 2;
        world.rules(policy, Direction::Egress);
        world.change(|endpoint| endpoint.egress_policy = policy);
    });
    case.sends(&query, ALLOWED, None);
    let answer = ip(family.friend(), family.workload()).udp(DNS, 5353);
    let reply = Tells {
        kind: EventKind::Reply,
        ..told
    };
    case.receives(&answer, REPLY, Some(reply.flagged(EventFlags::REPLY)));
}

fn from_audit(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "leaving audit mode cuts what was only audited");
    case.changes(|world| world.change(|endpoint| endpoint.flags |= EndpointFlags::AUDIT));
    let sent = ip(family.workload(), family.stranger()).udp(5353, DNS);
    let told = Tells::new(EventKind::Open, AUDITED, (5353, DNS));
    case.sends(&sent, AUDITED, Some(told));
    case.changes(|world| world.change(|endpoint| endpoint.flags &= !EndpointFlags::AUDIT));
    let drop = Tells::drop(DropReason::DefaultDenied, (5353, DNS));
    case.sends(&sent, DEFAULT_DENIED, Some(drop));
}

fn source_checked(cases: &mut Cases, family: Family) {
    let case = cases.add(
        family,
        "switching the source check on cuts what it would have refused",
    );
    case.changes(|world| {
        world.change(|endpoint| endpoint.flags &= !EndpointFlags::CHECK_SOURCE);
    });
    let query = ip(family.outside(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4).spoofed();
    case.sends(&query, ALLOWED, Some(told));
    case.changes(|world| {
        world.change(|endpoint| endpoint.flags |= EndpointFlags::CHECK_SOURCE);
    });
    let reason = DropReason::SourceAddress;
    let drop = Tells::drop(reason, (5353, DNS)).spoofed();
    case.sends(&query, Verdict::Drop(reason), Some(drop));
    case.sends(&query, Verdict::Drop(reason), None);
}
