//! Full tables.

use flowd_abi::{DropReason, EventKind, Verdict};

use crate::{
    Lab,
    common::{
        cases::{ALLOWED, DEFAULT_DENIED, UNENFORCED},
        frame::{Ip, ip},
        world::{DNS, Family, UNNAMED},
    },
};

const FULL: Verdict = Verdict::Drop(DropReason::TableFull);

fn query(port: u16) -> Ip {
    ip(Family::V4.workload(), Family::V4.friend()).udp(port, DNS)
}

fn unnamed(port: u16) -> Ip {
    ip(Family::V4.workload(), Family::V4.friend()).udp(port, UNNAMED)
}

#[test]
fn an_enforced_connection_without_room_drops_until_there_is_room() {
    let mut lab = Lab::new();
    lab.engine.memory.table_room = 1;
    assert_eq!(lab.sends(&query(1000)), ALLOWED);
    lab.told();
    assert_eq!(lab.sends(&query(1001)), FULL);
    assert_eq!(lab.sends(&query(1001)), FULL);
    let told = lab.told();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert_eq!(told[0].reason, DropReason::TableFull as u8);
    assert_eq!(lab.denied().1.packets, 2);
    lab.engine.memory.table_room = 2;
    assert_eq!(lab.sends(&query(1001)), ALLOWED, "room again");
}

#[test]
fn what_no_policy_selects_passes_without_room() {
    let mut lab = Lab::new();
    lab.change(|world| {
        world.change(|endpoint| (endpoint.ingress_policy, endpoint.egress_policy) = (0, 0));
    });
    lab.engine.memory.table_room = 0;
    assert_eq!(lab.sends(&query(1000)), UNENFORCED);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Open as u8);
}

#[test]
fn without_room_for_denied_flows_each_drop_is_told() {
    let mut lab = Lab::new();
    lab.engine.memory.table_room = 0;
    for _ in 0..3 {
        assert_eq!(lab.sends(&unnamed(1000)), DEFAULT_DENIED);
    }
    assert_eq!(lab.told().len(), 3);
    assert!(lab.engine.memory.denied.is_empty());
}

#[test]
fn without_room_for_heads_later_fragments_drop() {
    let mut lab = Lab::new();
    lab.sends(&query(1000));
    lab.engine.memory.table_room = 0;
    assert_eq!(lab.sends(&query(1000).part(7, 0, true)), ALLOWED);
    let later = query(1000).raw(17, vec![0; 24]).part(7, 2, false);
    let reason = DropReason::FragmentWithoutHead;
    assert_eq!(lab.sends(&later), Verdict::Drop(reason));
}
