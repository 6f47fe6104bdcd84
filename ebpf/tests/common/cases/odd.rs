//! Tags, options, extension headers, and packets that say nothing or contradict themselves.

use flowd_abi::{Direction, DropReason, EventKind, Verdict, event::EventFlags, protocol};

use super::{ALLOWED, Case, Cases, DEFAULT_DENIED, NEIGHBOUR, Tells, UNENFORCED, matched};
use crate::common::{
    frame::{Ip, SYN, ip, other},
    world::{Family, WEB, rule},
};

const MALFORMED: Verdict = Verdict::Drop(DropReason::Malformed);
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const LLDP: u16 = 0x88cc;
const ARP: u16 = 0x0806;

/// The SYN each case starts from.
fn syn(family: Family) -> Ip {
    ip(family.workload(), family.friend()).tcp(40_000, WEB, SYN)
}

fn opening() -> Tells {
    Tells::opening((40_000, WEB), rule::FRIEND_WEB, matched::L3_L4)
}

/// A drop of a packet whose addresses could not be read.
fn blind(reason: DropReason, remote_port: u16) -> Tells {
    Tells::drop(reason, (0, remote_port)).flagged(EventFlags::NO_ADDRESSES)
}

fn malformed(case: &mut Case, frame: Vec<u8>, tells: Tells) {
    case.packet(Direction::Egress, frame, Some(MALFORMED), Some(tells));
}

pub fn add(cases: &mut Cases, family: Family) {
    tags(cases, family);
    ethertypes(cases, family);
    truncated(cases, family);
    transport_headers(cases, family);
}

fn tags(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "one VLAN tag");
    case.sends(&syn(family).tagged(VLAN), ALLOWED, Some(opening()));
    let case = cases.add(family, "two VLAN tags");
    let twice = syn(family).tagged(SERVICE_VLAN).tagged(VLAN);
    case.sends(&twice, ALLOWED, Some(opening()));
    case.sends(&syn(family), ALLOWED, None);
    let case = cases.add(family, "three VLAN tags");
    let verdict = Verdict::Drop(DropReason::UnsupportedEthertype);
    let drop = blind(DropReason::UnsupportedEthertype, VLAN);
    let thrice = syn(family).tagged(SERVICE_VLAN).tagged(VLAN).tagged(VLAN);
    case.sends(&thrice, verdict, Some(drop));
}

fn ethertypes(cases: &mut Cases, family: Family) {
    let case = cases.add(family, "an Ethernet protocol that is not IP");
    let frame = other(LLDP, &[0; 46]);
    let verdict = Verdict::Drop(DropReason::UnsupportedEthertype);
    let drop = blind(DropReason::UnsupportedEthertype, LLDP);
    case.packet(Direction::Egress, frame.clone(), Some(verdict), Some(drop));
    case.packet(Direction::Egress, frame.clone(), Some(verdict), None);
    case.changes(|world| world.change(|endpoint| endpoint.egress_policy = 0));
    case.packet(Direction::Egress, frame, Some(UNENFORCED), None);

    let case = cases.add(family, "ARP is never cut");
    for direction in Direction::ALL {
        let frame = other(ARP, &[0; 28]);
        case.packet(direction, frame, Some(NEIGHBOUR), None);
    }
}

fn truncated(cases: &mut Cases, family: Family) {
    // The kernel's test runs take no frame that ends inside the IP header it announces, nor one
    // without a byte behind its Ethernet header; a tag hides what is announced.
    let frame = syn(family).frame(true);
    let tagged = syn(family).tagged(VLAN).frame(true);
    let header = match family {
        Family::V4 => 34,
        Family::V6 => 54,
    };
    for (name, frame, from) in [
        ("an allowed packet cut short at every byte", &frame, header),
        (
            "an allowed packet with a tag cut short at every byte",
            &tagged,
            15,
        ),
    ] {
        let case = cases.add(family, name);
        let mut tells = Some(blind(DropReason::Malformed, 0));
        for length in from..frame.len() {
            let cut = frame[..length].to_vec();
            case.packet(Direction::Egress, cut, Some(MALFORMED), tells.take());
        }
    }
    let case = cases.add(
        family,
        "what cannot be read passes where nothing is enforced",
    );
    case.changes(|world| world.change(|endpoint| endpoint.egress_policy = 0));
    case.packet(
        Direction::Egress,
        tagged[..40].to_vec(),
        Some(UNENFORCED),
        None,
    );
}

fn transport_headers(cases: &mut Cases, family: Family) {
    let addressed = Tells::drop(DropReason::Malformed, (0, 0));
    let out = || ip(family.workload(), family.friend());
    for (number, name, length) in [
        (protocol::TCP, "TCP", 19),
        (protocol::UDP, "UDP", 7),
        (protocol::SCTP, "SCTP", 11),
        (family.icmp_protocol(), "ICMP", 7),
    ] {
        let case = cases.add(
            family,
            &format!("a datagram too short for its {name} header"),
        );
        let frame = out().raw(number, vec![0x55; length]).frame(true);
        malformed(case, frame, addressed);
        // Bytes behind the datagram's end are padding, not a header.
        let mut padded = out().raw(number, vec![0x55; length]).frame(true);
        padded.extend([0x55; 32]);
        case.packet(Direction::Egress, padded, Some(MALFORMED), None);
    }
    let case = cases.add(family, "a TCP header longer than its segment");
    let mut long = syn(family);
    long.body[12] = 0x60;
    malformed(case, long.frame(true), addressed);
    let case = cases.add(family, "a TCP header shorter than one can be");
    let mut short = syn(family);
    short.body[12] = 0x40;
    malformed(case, short.frame(true), addressed);
}

pub fn add_v4(cases: &mut Cases) {
    let family = Family::V4;
    let case = cases.add(family, "IP options");
    case.sends(
        &syn(family).options(&[1, 1, 1, 0]),
        ALLOWED,
        Some(opening()),
    );
    case.sends(&syn(family).options(&[1; 40]), ALLOWED, None);

    let at = |offset: usize, value: u8| {
        let mut frame = syn(family).frame(true);
        frame[14 + offset] = value;
        frame
    };
    for (name, frame) in [
        ("a header length of 16", at(0, 0x44)),
        ("a header longer than the packet", at(0, 0x4f)),
        ("IPv6 under IPv4's ethertype", at(0, 0x65)),
        ("a total length beyond the packet", at(3, 41)),
        ("a total length shorter than the header", at(3, 19)),
    ] {
        malformed(
            cases.add(family, name),
            frame,
            blind(DropReason::Malformed, 0),
        );
    }

    let case = cases.add(
        family,
        "an offload packet of over 64 KiB says its length is 0",
    );
    let mut frame = at(3, 0);
    frame.extend([0; 100]);
    case.packet(Direction::Egress, frame, Some(ALLOWED), Some(opening()));

    let case = cases.add(family, "an allowed echo carries no other query");
    let out = || ip(family.workload(), family.friend());
    let told = Tells::opening((9, 0), rule::FRIEND_PING, matched::L3_L4);
    case.sends(&out().ping(9), ALLOWED, Some(told));
    let drop = Tells::drop(DropReason::DefaultDenied, (13 << 8, 0));
    case.sends(&out().icmp(13, 0, 9), DEFAULT_DENIED, Some(drop));
    case.sends(&out().ping(9), ALLOWED, None);
}

pub fn add_v6(cases: &mut Cases) {
    extensions(cases);
    discovery(cases);
    let case = cases.add(Family::V6, "IPv4 under IPv6's ethertype");
    let mut frame = syn(Family::V6).frame(true);
    frame[14] = 0x45;
    malformed(case, frame, blind(DropReason::Malformed, 0));
    let case = cases.add(Family::V6, "nothing behind the header");
    let drop = Tells::drop(DropReason::UnsupportedProtocol, (0, 0));
    let none = ip(Family::V6.workload(), Family::V6.friend()).raw(59, vec![0; 4]);
    case.sends(
        &none,
        Verdict::Drop(DropReason::UnsupportedProtocol),
        Some(drop),
    );
}

fn extensions(cases: &mut Cases) {
    let family = Family::V6;
    for number in [0, 43, 60, 135] {
        let case = cases.add(family, &format!("the extension header {number}"));
        case.sends(&syn(family).extension(number), ALLOWED, Some(opening()));
    }
    let case = cases.add(
        family,
        "an authentication header, which counts its length its own way",
    );
    let mut packet = syn(family);
    packet.extensions.push((
        51,
        vec![
            0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
        ],
    ));
    case.sends(&packet, ALLOWED, Some(opening()));

    let case = cases.add(
        family,
        "as many extension headers as are followed, and one more",
    );
    let four = [0, 60, 43, 60].into_iter().fold(syn(family), Ip::extension);
    case.sends(&four, ALLOWED, Some(opening()));
    let verdict = Verdict::Drop(DropReason::ExtensionHeader);
    let drop = blind(DropReason::ExtensionHeader, 0);
    case.sends(&four.extension(60), verdict, Some(drop));

    let case = cases.add(family, "an extension header longer than the packet");
    let mut packet = syn(family).extension(60);
    packet.extensions[0].1[1] = 9;
    malformed(case, packet.frame(true), blind(DropReason::Malformed, 0));

    let case = cases.add(family, "an extension header before the fragment header");
    let packet = syn(family).extension(0).part(7, 0, true);
    case.sends(&packet, ALLOWED, Some(opening()));
    let later = packet.raw(protocol::TCP, vec![0; 24]).part(7, 3, false);
    case.sends(&later, ALLOWED, None);

    let case = cases.add(family, "a fragment header on a whole datagram");
    case.sends(&syn(family).part(7, 0, false), ALLOWED, Some(opening()));
}

fn discovery(cases: &mut Cases) {
    let family = Family::V6;
    let case = cases.add(family, "neighbour discovery is never cut");
    for message in 133..=136 {
        let packet = ip(family.workload(), family.stranger())
            .icmp(message, 0, 0)
            .hop_limit(255);
        case.sends(&packet, NEIGHBOUR, None);
        let packet = ip(family.stranger(), family.workload())
            .icmp(message, 0, 0)
            .hop_limit(255);
        case.receives(&packet, NEIGHBOUR, None);
    }
    listeners(cases);
    let out = || ip(family.workload(), family.stranger()).icmp(135, 0, 0);
    let denied = Tells::new(EventKind::Drop, DEFAULT_DENIED, (135 << 8, 0));
    let case = cases.add(
        family,
        "neighbour discovery that could have crossed a router is judged",
    );
    case.sends(&out().hop_limit(254), DEFAULT_DENIED, Some(denied));
    // RFC 6980: nodes ignore it, so only something else would hide behind it.
    let case = cases.add(family, "neighbour discovery in fragments is judged");
    case.sends(
        &out().hop_limit(255).part(7, 0, true),
        DEFAULT_DENIED,
        Some(denied),
    );
    let later = out().raw(protocol::ICMPV6, vec![0; 16]).hop_limit(255);
    case.sends(&later.part(7, 1, false), DEFAULT_DENIED, None);
}

/// Multicast listener messages (RFC 3810) are the link's own too.
fn listeners(cases: &mut Cases) {
    let family = Family::V6;
    let all_routers = "ff02::16".parse().expect("an address");
    let own = "fe80::2".parse().expect("an address");
    let nobody = "::".parse().expect("an address");
    let case = cases.add(family, "multicast listener messages are never cut");
    for message in [130, 131, 132, 143] {
        for source in [own, nobody] {
            let packet = ip(source, all_routers).icmp(message, 0, 0).hop_limit(1);
            case.sends(&packet, NEIGHBOUR, None);
        }
    }
    let denied = Tells::new(EventKind::Drop, DEFAULT_DENIED, (143 << 8, 0));
    let case = cases.add(
        family,
        "listener messages that could leave the link are judged",
    );
    let far = ip(own, all_routers).icmp(143, 0, 0).hop_limit(64);
    case.sends(&far, DEFAULT_DENIED, Some(denied.spoofed()));
    let case = cases.add(family, "listener messages from a global address are judged");
    let global = ip(family.workload(), family.stranger())
        .icmp(143, 0, 0)
        .hop_limit(1);
    case.sends(&global, DEFAULT_DENIED, Some(denied));
}
