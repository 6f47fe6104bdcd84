//! Time-outs: when a connection is over, and what the sweep tells of its end and its going on.

use flowd_abi::{EventKind, Verdict, event::EventFlags};

use crate::{
    Lab, NEVER,
    common::{
        cases::{ALLOWED, DEFAULT_DENIED, REPLY},
        frame::{ACK, FIN, Ip, RST, SYN, ip},
        world::{DNS, Family, SCTP, WEB},
    },
};

fn out() -> Ip {
    ip(Family::V4.workload(), Family::V4.friend())
}

fn back() -> Ip {
    ip(Family::V4.friend(), Family::V4.workload())
}

/// Packets of a connection in some state, the seconds it may be idle, and an answer that passes
/// only while it lives.
fn lives() -> Vec<(&'static str, Vec<Ip>, u64, Ip)> {
    let syn = out().tcp(40_000, WEB, SYN);
    let answered = vec![syn.clone(), back().tcp(WEB, 40_000, SYN | ACK)];
    let ack = back().tcp(WEB, 40_000, ACK);
    let mut closing = answered.clone();
    closing.push(out().tcp(40_000, WEB, FIN | ACK));
    let mut closed = closing.clone();
    closed.push(back().tcp(WEB, 40_000, FIN | ACK));
    let mut reset = answered.clone();
    reset.push(out().tcp(40_000, WEB, RST));
    vec![
        ("TCP opened", vec![syn], 60, ack.clone()),
        ("TCP answered", answered, 8000, ack.clone()),
        ("TCP closing", closing, 10, ack.clone()),
        ("TCP closed", closed, 10, ack.clone()),
        ("TCP reset", reset, 10, ack),
        ("UDP", vec![out().udp(5353, DNS)], 60, back().udp(DNS, 5353)),
        ("SCTP", vec![out().sctp(7, SCTP)], 60, back().sctp(SCTP, 7)),
        ("ICMP", vec![out().ping(9)], 30, back().pong(9)),
    ]
}

fn started(packets: &[Ip]) -> Lab {
    let mut lab = Lab::new();
    for packet in packets {
        if packet.source == Family::V4.workload() {
            lab.sends(packet);
        } else {
            lab.receives(packet);
        }
    }
    lab.told();
    lab
}

/// Answers to what is over must not find an allow of their own.
fn only_outwards(lab: &mut Lab) {
    lab.world.endpoint().ingress_policy += 2;
    lab.engine
        .memory
        .endpoints
        .values_mut()
        .for_each(|endpoint| endpoint.ingress_policy += 2);
}

#[test]
fn an_answer_passes_until_the_time_is_over() {
    for (name, packets, seconds, answer) in lives() {
        let mut lab = started(&packets);
        only_outwards(&mut lab);
        lab.wait(seconds - 1);
        assert_eq!(lab.receives(&answer), REPLY, "{name}, just before");
        lab.wait(seconds - 1);
        assert_eq!(
            lab.receives(&answer),
            REPLY,
            "{name}: each packet counts the time anew"
        );

        let mut lab = started(&packets);
        only_outwards(&mut lab);
        lab.wait(seconds + 1);
        assert_eq!(lab.receives(&answer), DEFAULT_DENIED, "{name}, after");
    }
}

#[test]
fn what_timed_out_opens_anew() {
    let mut lab = started(&[out().udp(5353, DNS)]);
    lab.wait(61);
    assert_eq!(lab.sends(&out().udp(5353, DNS)), ALLOWED);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Open as u8);
    assert_eq!(told[0].sent_packets, 1);
}

#[test]
fn the_sweep_ends_what_is_over_once() {
    for (name, packets, seconds, _) in lives() {
        let ended = name == "TCP closed" || name == "TCP reset";
        let mut lab = started(&packets);
        lab.wait(seconds - 1);
        lab.sweep(NEVER);
        assert_eq!(lab.told(), [], "{name}: it lives");
        assert_eq!(lab.engine.memory.connections.len(), 1, "{name}: it lives");
        lab.wait(2);
        lab.sweep(NEVER);
        let told = lab.told();
        assert_eq!(
            told.len(),
            usize::from(!ended),
            "{name}: an end is told once"
        );
        for event in &told {
            assert_eq!(event.kind, EventKind::Close as u8, "{name}");
            assert_eq!(event.flags, EventFlags::SWEPT, "{name}");
            assert_eq!(event.verdict(), Some(ALLOWED), "{name}");
            let packets = event.sent_packets + event.received_packets;
            assert!(packets > 0, "{name}: the numbers come with it");
        }
        assert_eq!(lab.engine.memory.connections.len(), 0, "{name}: it is gone");
    }
}

#[test]
fn the_sweep_tells_how_a_long_one_goes() {
    let mut lab = started(&[out().udp(5353, DNS)]);
    lab.wait(20);
    lab.sweep(10);
    assert_eq!(lab.told(), [], "nothing happened since it was told");
    lab.sends(&out().udp(5353, DNS));
    lab.receives(&back().udp(DNS, 5353));
    lab.told();
    lab.wait(5);
    lab.sends(&out().udp(5353, DNS));
    lab.sweep(10);
    assert_eq!(lab.told(), [], "not due yet");
    lab.wait(6);
    lab.sweep(10);
    let told = lab.told();
    let [update] = told[..] else {
        panic!("one update: {told:?}");
    };
    assert_eq!(update.kind, EventKind::Update as u8);
    assert_eq!((update.sent_packets, update.received_packets), (3, 1));
    lab.sweep(10);
    assert_eq!(lab.told(), [], "told already");
}

#[test]
fn the_head_of_a_datagram_is_forgotten() {
    let mut lab = Lab::new();
    lab.sends(&out().udp(5353, DNS).part(7, 0, true));
    let later = out().raw(17, vec![0; 24]).part(7, 2, false);
    lab.wait(29);
    assert_eq!(lab.sends(&later), ALLOWED);
    lab.wait(2);
    let reason = flowd_abi::DropReason::FragmentWithoutHead;
    assert_eq!(lab.sends(&later), Verdict::Drop(reason));
}
