//! Rings without room: what could not be told is marked, and the sweep tells it.

use flowd_abi::{EventKind, connection::Marks, event::EventFlags};

use crate::{
    Lab, NEVER,
    common::{
        cases::{ALLOWED, DEFAULT_DENIED},
        frame::{ACK, FIN, Ip, SYN, ip},
        world::{DNS, Family, UNNAMED, WEB},
    },
};

fn sent(flags: u8) -> Ip {
    ip(Family::V4.workload(), Family::V4.friend()).tcp(40_000, WEB, flags)
}

fn received(flags: u8) -> Ip {
    ip(Family::V4.friend(), Family::V4.workload()).tcp(WEB, 40_000, flags)
}

fn denied() -> Ip {
    ip(Family::V4.workload(), Family::V4.stranger()).udp(5353, UNNAMED)
}

/// A lab whose rings have no room.
fn mute() -> Lab {
    let mut lab = Lab::new();
    lab.engine.memory.ring_room = 0;
    lab
}

fn deferred(lab: &Lab) -> (u64, u64) {
    let memory = &lab.engine.memory;
    (
        memory.sum(|counter| counter.deferred),
        memory.sum(|counter| counter.recovered),
    )
}

#[test]
fn a_full_ring_changes_no_verdict() {
    let mut lab = mute();
    assert_eq!(lab.sends(&sent(SYN)), ALLOWED);
    assert_eq!(lab.sends(&denied()), DEFAULT_DENIED);
}

#[test]
fn each_untold_step_leaves_its_mark() {
    let mut lab = mute();
    lab.sends(&sent(SYN));
    assert_eq!(lab.connection().1.marks, Marks::UNTOLD_OPEN);
    lab.receives(&received(SYN | ACK));
    let marks = Marks::UNTOLD_OPEN | Marks::UNTOLD_REPLY | Marks::REPLIED;
    assert_eq!(lab.connection().1.marks, marks);
    lab.sends(&sent(FIN | ACK));
    lab.receives(&received(FIN | ACK));
    assert_eq!(lab.connection().1.marks, marks | Marks::UNTOLD_CLOSE);
    assert_eq!(deferred(&lab), (3, 0));
}

#[test]
fn one_event_of_the_sweep_recovers_all_of_a_connection() {
    let mut lab = mute();
    lab.sends(&sent(SYN));
    lab.receives(&received(SYN | ACK));
    lab.sweep(NEVER);
    assert_eq!(deferred(&lab), (2, 0), "the ring is still full");
    lab.engine.memory.ring_room = 10;
    lab.sweep(NEVER);
    let told = lab.told();
    let [open] = told[..] else {
        panic!("one event: {told:?}");
    };
    assert_eq!(open.kind, EventKind::Open as u8);
    assert_eq!(open.flags, EventFlags::SWEPT);
    assert_eq!((open.sent_packets, open.received_packets), (1, 1));
    assert_eq!(deferred(&lab), (2, 2));
    assert_eq!(lab.connection().1.marks, Marks::REPLIED);
    lab.sweep(NEVER);
    assert_eq!(lab.told(), []);
    assert_eq!(deferred(&lab), (2, 2), "recovered once");
}

#[test]
fn a_deferred_reply_is_told() {
    let mut lab = Lab::new();
    lab.sends(&sent(SYN));
    lab.engine.memory.ring_room = 0;
    lab.receives(&received(SYN | ACK));
    lab.engine.memory.ring_room = 10;
    lab.told();
    lab.sweep(NEVER);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Reply as u8);
    assert_eq!(deferred(&lab), (1, 1));
}

#[test]
fn an_untold_end_is_told_before_it_is_forgotten() {
    let mut lab = mute();
    for packet in [sent(SYN), sent(FIN | ACK)] {
        lab.sends(&packet);
    }
    lab.receives(&received(FIN | ACK));
    lab.wait(11);
    lab.sweep(NEVER);
    assert_eq!(
        lab.engine.memory.connections.len(),
        1,
        "kept while it is untold"
    );
    lab.engine.memory.ring_room = 10;
    lab.sweep(NEVER);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Close as u8);
    assert_eq!(lab.engine.memory.connections.len(), 0);
    let (deferred, recovered) = deferred(&lab);
    assert_eq!(deferred, recovered);
}

#[test]
fn a_deferred_drop_speaks_for_all_its_packets() {
    let mut lab = mute();
    for _ in 0..5 {
        lab.sends(&denied());
    }
    let (_, flow) = lab.denied();
    assert_eq!((flow.packets, flow.told_packets, flow.deferred), (5, 0, 1));
    assert_eq!(deferred(&lab), (1, 0));
    lab.engine.memory.ring_room = 10;
    lab.sweep(NEVER);
    let told = lab.told();
    let [drop] = told[..] else {
        panic!("one event: {told:?}");
    };
    assert_eq!((drop.kind, drop.sent_packets), (EventKind::Drop as u8, 5));
    assert_eq!(deferred(&lab), (1, 1));
    lab.sweep(NEVER);
    assert_eq!(lab.told(), []);
}

#[test]
fn many_flows_through_a_ring_that_is_often_full_are_all_told() {
    let mut lab = Lab::new();
    lab.engine.memory.ring_room = 7;
    let mut told = Vec::new();
    for port in 1000..1300 {
        let out = ip(Family::V6.workload(), Family::V6.friend());
        lab.sends(&out.clone().udp(port, DNS));
        lab.sends(&out.udp(port, UNNAMED));
        if port % 20 == 0 {
            told.extend(lab.told());
        }
    }
    for _ in 0..200 {
        told.extend(lab.told());
        lab.sweep(NEVER);
    }
    let count = |kind: EventKind| told.iter().filter(|event| event.kind == kind as u8).count();
    assert_eq!(count(EventKind::Open), 300);
    assert_eq!(count(EventKind::Drop), 300);
    let (deferred, recovered) = deferred(&lab);
    assert_eq!(deferred, recovered);
    assert!(deferred > 300, "most found no room at first: {deferred}");
}
