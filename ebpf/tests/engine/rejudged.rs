//! What a new generation makes of a live connection.

use flowd_abi::{
    EventKind, Verdict, connection::Marks, endpoint::EndpointFlags, event::EventFlags,
};

use crate::{
    Lab, NEVER,
    common::{
        cases::{ALLOWED, DEFAULT_DENIED, REPLY},
        frame::{ACK, Ip, SYN, ip},
        world::{DNS, FRIEND, Family, WEB, World},
    },
};

fn query() -> Ip {
    ip(Family::V4.workload(), Family::V4.friend()).udp(5353, DNS)
}

fn answer() -> Ip {
    ip(Family::V4.friend(), Family::V4.workload()).udp(DNS, 5353)
}

/// A connection that was allowed, cut, and is allowed again.
fn restored() -> Lab {
    let mut lab = Lab::new();
    lab.sends(&query());
    let policies = *lab.world.endpoint();
    lab.change(World::allow_nothing);
    assert_eq!(lab.sends(&query()), DEFAULT_DENIED);
    lab.change(|world| {
        world.change(|endpoint| {
            endpoint.ingress_policy = policies.ingress_policy;
            endpoint.egress_policy = policies.egress_policy;
        });
    });
    lab.told();
    lab
}

#[test]
fn an_allow_after_a_cut_is_told_by_the_sweep() {
    let mut lab = restored();
    assert_eq!(lab.sends(&query()), ALLOWED);
    assert_eq!(lab.receives(&answer()), REPLY);
    lab.told();
    lab.sweep(NEVER);
    let told = lab.told();
    let verdicts: Vec<_> = told
        .iter()
        .filter(|event| event.kind == EventKind::Verdict as u8)
        .collect();
    let [event] = verdicts[..] else {
        panic!("one event tells the verdict: {told:?}");
    };
    assert_eq!(event.verdict(), Some(ALLOWED));
    assert_eq!(event.flags, EventFlags::SWEPT);
    assert_eq!(event.generation, lab.world.endpoint().generation);
    assert_eq!(lab.connection().1.marks & Marks::UNTOLD, 0);
    lab.sweep(NEVER);
    assert_eq!(lab.told(), []);
}

#[test]
fn an_allow_that_is_revoked_before_the_sweep_is_no_news() {
    let mut lab = restored();
    lab.sends(&query());
    lab.change(World::allow_nothing);
    assert_eq!(lab.sends(&query()), DEFAULT_DENIED);
    assert_eq!(lab.told().len(), 1, "the drop tells it");
    lab.sweep(NEVER);
    assert_eq!(lab.told(), []);
}

#[test]
fn a_changed_verdict_is_no_deferred_packet() {
    let mut lab = restored();
    lab.sends(&query());
    lab.sweep(NEVER);
    assert_eq!(lab.engine.memory.sum(|counter| counter.deferred), 0);
    assert_eq!(lab.engine.memory.sum(|counter| counter.recovered), 0);
}

#[test]
fn a_cut_connection_remembers_who_opened_it() {
    let mut lab = Lab::new();
    let syn = ip(Family::V4.workload(), Family::V4.friend()).tcp(40_000, WEB, SYN);
    lab.sends(&syn);
    lab.change(World::allow_nothing);
    let ack = ip(Family::V4.friend(), Family::V4.workload()).tcp(WEB, 40_000, ACK);
    assert_eq!(lab.receives(&ack), DEFAULT_DENIED);
    let (_, connection) = lab.connection();
    assert_eq!(connection.origin, flowd_abi::Direction::Egress as u8);
    let drop = lab.told().pop().expect("the drop is told");
    assert_eq!(
        drop.policy,
        lab.world.endpoint().egress_policy,
        "its opening side was judged"
    );
    assert_ne!(drop.flags & EventFlags::REPLY, 0);
}

#[test]
fn turning_to_audit_is_told_by_the_sweep() {
    let mut lab = Lab::new();
    lab.sends(&query());
    lab.change(|world| {
        world.allow_nothing();
        world.endpoint().flags |= EndpointFlags::AUDIT;
    });
    lab.told();
    let audited = Verdict::Audit(flowd_abi::DropReason::DefaultDenied);
    assert_eq!(lab.sends(&query()), audited);
    lab.sweep(NEVER);
    let told = lab.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventKind::Verdict as u8);
    assert_eq!(told[0].verdict(), Some(audited));
}

#[test]
fn a_changed_identity_of_the_peer_counts() {
    let mut lab = Lab::new();
    lab.sends(&query());
    lab.change(|world| {
        for (_, peer) in &mut world.peers {
            if peer.identity == FRIEND {
                peer.identity = 4242;
            }
        }
        world.change(|_| ());
    });
    lab.told();
    assert_eq!(lab.sends(&query()), DEFAULT_DENIED);
    assert_eq!(lab.told()[0].peer_identity, 4242);
}

#[test]
fn what_stays_allowed_carries_the_new_policy() {
    let mut lab = Lab::new();
    lab.sends(&query());
    lab.change(|world| {
        let policy = world.endpoint().egress_policy + 2;
        world.rules(policy, flowd_abi::Direction::Egress);
        world.change(|endpoint| endpoint.egress_policy = policy);
    });
    lab.told();
    assert_eq!(lab.sends(&query()), ALLOWED);
    assert_eq!(lab.told(), [], "the same verdict is no news");
    let (_, connection) = lab.connection();
    assert_eq!(connection.policy, lab.world.endpoint().egress_policy);
    assert_eq!(connection.generation, lab.world.endpoint().generation);
}
