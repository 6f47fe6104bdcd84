//! Denied flows: told once, counted, told how they went on, forgotten.

use flowd_abi::{DropReason, EventKind, Verdict, event::EventFlags};

use crate::{
    Lab, NEVER,
    common::{
        cases::DEFAULT_DENIED,
        frame::{Ip, SYN, ip, other},
        world::{Family, UNNAMED, World},
    },
};

fn denied() -> Ip {
    ip(Family::V4.workload(), Family::V4.stranger()).tcp(40_000, UNNAMED, SYN)
}

#[test]
fn a_flood_is_one_event_and_a_count() {
    let mut lab = Lab::new();
    for _ in 0..1000 {
        assert_eq!(lab.sends(&denied()), DEFAULT_DENIED);
    }
    let told = lab.told();
    let [drop] = told[..] else {
        panic!("one event: {}", told.len());
    };
    assert_eq!((drop.kind, drop.sent_packets), (EventKind::Drop as u8, 1));
    let (_, flow) = lab.denied();
    assert_eq!((flow.packets, flow.told_packets), (1000, 1));
    lab.sweep(NEVER);
    assert_eq!(lab.told(), [], "not due");
    lab.wait(10);
    lab.sweep(10);
    let told = lab.told();
    let [drops] = told[..] else {
        panic!("one event: {told:?}");
    };
    assert_eq!(drops.kind, EventKind::Drops as u8);
    assert_eq!(drops.flags, EventFlags::SWEPT);
    assert_eq!((drops.sent_packets, drops.received_packets), (999, 1000));
    assert_eq!(drops.sent_bytes, 1000 * denied().frame(true).len() as u64);
    lab.sweep(10);
    assert_eq!(lab.told(), [], "told already");
}

#[test]
fn a_silent_flow_is_told_anew() {
    let mut lab = Lab::new();
    lab.sends(&denied());
    lab.wait(59);
    lab.sends(&denied());
    assert_eq!(lab.told().len(), 1, "each packet keeps the flow alive");
    lab.wait(61);
    lab.sends(&denied());
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Drop as u8);
    let (_, flow) = lab.denied();
    assert_eq!(
        (flow.packets, flow.told_packets),
        (3, 2),
        "and keeps its numbers"
    );
}

#[test]
fn the_sweep_forgets_what_is_over_and_tells_the_rest_of_it() {
    let mut lab = Lab::new();
    lab.sends(&denied());
    lab.sends(&denied());
    lab.told();
    lab.wait(61);
    lab.sweep(NEVER);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].kind, told[0].sent_packets),
        (EventKind::Drops as u8, 1)
    );
    assert!(lab.engine.memory.denied.is_empty());
}

#[test]
fn a_new_generation_tells_anew() {
    let mut lab = Lab::new();
    lab.sends(&denied());
    lab.told();
    lab.change(World::allow_nothing);
    lab.sends(&denied());
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].generation, lab.world.endpoint().generation);
    assert_eq!(told[0].policy, lab.world.endpoint().egress_policy);
}

#[test]
fn two_reasons_are_two_events() {
    let mut lab = Lab::new();
    let broken = {
        let mut packet = denied();
        packet.body[12] = 0x40;
        packet
    };
    assert_eq!(lab.sends(&broken), Verdict::Drop(DropReason::Malformed));
    let headless = denied().raw(6, vec![0; 24]).part(7, 3, false);
    let reason = DropReason::FragmentWithoutHead;
    assert_eq!(lab.sends(&headless), Verdict::Drop(reason));
    let reasons: Vec<u8> = lab.told().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, [DropReason::Malformed as u8, reason as u8]);
}

#[test]
fn a_foreign_protocol_keeps_its_ethertype_through_the_sweep() {
    const LLDP: u16 = 0x88cc;
    let mut lab = Lab::new();
    for _ in 0..2 {
        lab.meets(flowd_abi::Direction::Egress, &other(LLDP, &[0; 46]));
    }
    lab.wait(10);
    lab.sweep(10);
    for event in lab.told() {
        assert_eq!(event.ethertype, LLDP, "kind {}", event.kind);
        assert_ne!(event.flags & EventFlags::NO_ADDRESSES, 0);
    }
}

#[test]
fn both_sides_of_a_cut_connection_are_one_flow() {
    let mut lab = Lab::new();
    let out = ip(Family::V4.workload(), Family::V4.friend()).udp(5353, 53);
    let back = ip(Family::V4.friend(), Family::V4.workload()).udp(53, 5353);
    lab.sends(&out);
    lab.change(World::allow_nothing);
    lab.told();
    for _ in 0..100 {
        assert_eq!(lab.sends(&out), DEFAULT_DENIED);
        assert_eq!(lab.receives(&back), DEFAULT_DENIED);
    }
    assert_eq!(lab.told().len(), 1);
    assert_eq!(lab.denied().1.packets, 200);
}
