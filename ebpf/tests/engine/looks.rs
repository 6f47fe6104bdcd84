//! When the socket of a packet is worth a look.

use flowd_abi::Direction;
use flowd_ebpf::Look;

use crate::{
    Lab,
    common::{
        frame::{ACK, FIN, Ip, RST, SYN, ip},
        world::{DNS, Family, WEB},
    },
};

/// From the workload to the friend, or back.
fn segment(out: bool, flags: u8) -> Ip {
    let (workload, friend) = (Family::V4.workload(), Family::V4.friend());
    match out {
        true => ip(workload, friend).tcp(40_000, WEB, flags),
        false => ip(friend, workload).tcp(WEB, 40_000, flags),
    }
}

impl Lab {
    fn looks(&mut self, direction: Direction, packet: &Ip) -> Look {
        self.meets(direction, &packet.frame(direction == Direction::Egress));
        self.engine.scratch.facts.look
    }
}

#[test]
fn of_one_who_connects_at_the_handshake_now_and_then_and_at_the_end() {
    let mut lab = Lab::new();
    let out = Direction::Egress;
    assert_eq!(lab.looks(out, &segment(true, SYN)), Look::No);
    let answer = segment(false, SYN | ACK);
    assert_eq!(lab.looks(Direction::Ingress, &answer), Look::No);
    assert_eq!(lab.looks(out, &segment(true, ACK)), Look::Handshake);
    assert_eq!(lab.looks(out, &segment(true, ACK)), Look::Handshake);
    let looked: Vec<u64> = (4..=1000)
        .filter(|_| lab.looks(out, &segment(true, ACK)) == Look::Numbers)
        .collect();
    assert_eq!(looked, [4, 8, 16, 32, 64, 128, 256, 512]);
    let last = segment(false, FIN | ACK);
    assert_eq!(lab.looks(Direction::Ingress, &last), Look::No);
    assert_eq!(lab.looks(out, &segment(true, FIN | ACK)), Look::Numbers);
}

#[test]
fn of_one_who_answers_at_the_first_answer_too() {
    let mut lab = Lab::new();
    let ask = ip(Family::V4.friend(), Family::V4.workload());
    let answer = |flags| ip(Family::V4.workload(), Family::V4.friend()).tcp(WEB, 40_000, flags);
    lab.receives(&ask.clone().tcp(40_000, WEB, SYN));
    let out = Direction::Egress;
    assert_eq!(lab.looks(out, &answer(SYN | ACK)), Look::Listener);
    lab.receives(&ask.tcp(40_000, WEB, ACK));
    assert_eq!(lab.looks(out, &answer(ACK)), Look::Handshake);
    assert_eq!(lab.looks(out, &answer(RST)), Look::Numbers);
}

#[test]
fn of_a_datagram_never() {
    let mut lab = Lab::new();
    let query = ip(Family::V4.workload(), Family::V4.friend()).udp(5353, DNS);
    for _ in 0..4 {
        assert_eq!(lab.looks(Direction::Egress, &query), Look::No);
    }
}
