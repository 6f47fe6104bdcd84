//! Fragments: the first is judged, the later ones follow it.

use flowd_abi::{DropReason, Verdict, protocol};

use super::{ALLOWED, Cases, DEFAULT_DENIED, Tells, icmp::unreachable_message, matched};
use crate::common::{
    frame::{SYN, ip},
    world::{DNS, Family, UNNAMED, WEB, rule},
};

const MALFORMED: Verdict = Verdict::Drop(DropReason::Malformed);
const HEADLESS: Verdict = Verdict::Drop(DropReason::FragmentWithoutHead);

pub fn add(cases: &mut Cases, family: Family) {
    followers(cases, family);
    headless(cases, family);
    overlays(cases, family);
    echoes(cases, family);
    errors(cases, family);
}

fn followers(cases: &mut Cases, family: Family) {
    let out = ip(family.workload(), family.friend());
    let later = out.clone().raw(protocol::UDP, vec![0; 24]);

    let case = cases.add(family, "later fragments of an allowed datagram");
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(
        &out.clone().udp(5353, DNS).part(7, 0, true),
        ALLOWED,
        Some(told),
    );
    case.sends(&later.clone().part(7, 2, true), ALLOWED, None);
    case.sends(&later.clone().part(7, 5, false), ALLOWED, None);

    let case = cases.add(family, "later fragments of a denied datagram");
    let drop = Tells::drop(DropReason::DefaultDenied, (5353, UNNAMED));
    case.sends(
        &out.udp(5353, UNNAMED).part(7, 0, true),
        DEFAULT_DENIED,
        Some(drop),
    );
    case.sends(&later.part(7, 2, false), DEFAULT_DENIED, None);
}

fn headless(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a later fragment without its head");
    let out = ip(family.workload(), family.friend());
    let later = out.clone().raw(protocol::UDP, vec![0; 24]);
    let drop = Tells::drop(DropReason::FragmentWithoutHead, (0, 0));
    case.sends(&later.clone().part(7, 2, false), HEADLESS, Some(drop));
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(&out.udp(5353, DNS).part(8, 0, true), ALLOWED, Some(told));
    // Another datagram's head, and the head's own number from the other side, are no heads.
    case.sends(&later.clone().part(7, 2, false), HEADLESS, None);
    case.sends(&later.part(8, 2, false), ALLOWED, None);
    let back = ip(family.friend(), family.workload()).raw(protocol::UDP, vec![0; 24]);
    case.receives(&back.part(8, 2, false), HEADLESS, Some(drop));
}

fn overlays(cases: &mut Cases, family: Family) {
    let out = ip(family.workload(), family.friend());
    let case = cases.add(family, "a later fragment that overlays the TCP header");
    let told = Tells::opening((40_000, WEB), rule::FRIEND_WEB, matched::L3_L4);
    case.sends(
        &out.clone().tcp(40_000, WEB, SYN).part(7, 0, true),
        ALLOWED,
        Some(told),
    );
    let later = out.clone().raw(protocol::TCP, vec![0; 24]);
    let drop = Tells::drop(DropReason::Malformed, (0, 0));
    case.sends(&later.clone().part(7, 1, false), MALFORMED, Some(drop));
    case.sends(&later.clone().part(7, 2, false), MALFORMED, None);
    case.sends(&later.part(7, 3, false), ALLOWED, None);

    let case = cases.add(family, "a head too small for its TCP header");
    let tiny = out.raw(protocol::TCP, vec![0x9c, 0x40, 0, 80, 0, 0, 0, 0]);
    case.sends(&tiny.part(7, 0, true), MALFORMED, Some(drop));
}

fn echoes(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "a fragmented echo");
    let out = ip(family.workload(), family.friend());
    let told = Tells::opening((9, 0), rule::FRIEND_PING, matched::L3_L4);
    case.sends(&out.clone().ping(9).part(7, 0, true), ALLOWED, Some(told));
    let later = out.raw(family.icmp_protocol(), vec![0; 16]);
    case.sends(&later.part(7, 1, false), ALLOWED, None);
}

fn errors(cases: &mut Cases, family: Family) {
    let case = cases.add(
        family,
        "a later fragment that looks like an error about a connection",
    );
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    let told = Tells::opening((5353, DNS), rule::FRIEND_DNS, matched::L3_L4);
    case.sends(&query, ALLOWED, Some(told));
    let router = ip(family.outside(), family.workload());
    let unknown = ip(family.workload(), family.friend()).udp(5353, UNNAMED);
    let head = router.clone().unreachable(&unknown).part(7, 0, true);
    let drop = Tells::drop(DropReason::DefaultDenied, (0, unreachable_message(family)));
    case.receives(&head, DEFAULT_DENIED, Some(drop));
    let disguised = router.clone().unreachable(&query).body;
    let later = router.raw(family.icmp_protocol(), disguised);
    case.receives(&later.part(7, 8, false), DEFAULT_DENIED, None);
}
