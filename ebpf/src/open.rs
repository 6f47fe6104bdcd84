//! A connection that is not known: judged, remembered, told.

use flowd_abi::{
    Address, Connection, CounterIndex, Direction, DropReason, EventKind, ForwardReason, Verdict,
    connection::{Marks, State},
    endpoint::EndpointFlags,
};

use crate::{
    deny,
    judge::{self, Judgement},
    notice,
    packet::{Facts, Room, Scene},
    tables::Tables,
};

/// Judges the first packet of a connection and acts on the verdict.
#[inline(always)]
pub fn open<T: Tables>(tables: &mut T, scene: &Scene, facts: &Facts, room: &mut Room) -> Verdict {
    if let Some(verdict) = deny::stands(tables, scene, facts) {
        return verdict;
    }
    if spoofed(tables, scene, scene.direction, &facts.key.local) {
        return deny::refuse(tables, scene, facts, room, DropReason::SourceAddress);
    }
    let judgement = judge::judge(
        tables,
        &scene.endpoint,
        &facts.key,
        scene.direction,
        facts.policy_port,
    );
    settle(tables, scene, facts, room, judgement)
}

/// Acts on a judgement about a packet without a connection.
#[inline(always)]
fn settle<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    mut judgement: Judgement,
) -> Verdict {
    if let Verdict::Drop(reason) = judgement.verdict {
        if !scene.endpoint.has(EndpointFlags::AUDIT) {
            return deny::judged(tables, scene, facts, room, &judgement, reason);
        }
        judgement.verdict = Verdict::Audit(reason);
    }
    opened(&mut room.connection, scene, facts, &judgement);
    if !tables.put_connection(&facts.key, &room.connection) {
        return no_room(tables, scene, facts, room, &judgement);
    }
    let slot = CounterIndex::of(judgement.verdict, scene.direction);
    tables.count(slot, scene.length);
    let told = notice::connection(tables, scene, facts, EventKind::Open, &room.connection);
    tables.classify(slot, told);
    if !told && let Some(entry) = tables.connection(&facts.key) {
        entry.marks |= Marks::UNTOLD_OPEN;
    }
    judgement.verdict
}

/// An enforced workload's packet that cannot be remembered is dropped: its answer would be, and a
/// verdict nobody remembers cannot be revoked. One that no policy selects passes.
#[inline(always)]
fn no_room<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    judgement: &Judgement,
) -> Verdict {
    if scene.endpoint.ingress_policy | scene.endpoint.egress_policy != 0 {
        return deny::judged(tables, scene, facts, room, judgement, DropReason::TableFull);
    }
    let verdict = Verdict::Forward(ForwardReason::Unenforced);
    let slot = CounterIndex::of(verdict, scene.direction);
    tables.count(slot, scene.length);
    let told = notice::connection(tables, scene, facts, EventKind::Open, &room.connection);
    tables.classify(slot, told);
    verdict
}

/// Whether what runs in `direction` carries a source address that is not the workload's own.
/// Link-local IPv6 addresses cannot leave the link and are the workload's by their nature.
#[inline(always)]
pub fn spoofed<T: Tables>(
    tables: &T,
    scene: &Scene,
    direction: Direction,
    source: &Address,
) -> bool {
    match direction {
        Direction::Ingress => false,
        Direction::Egress => {
            scene.endpoint.has(EndpointFlags::CHECK_SOURCE)
                && !source.is_link_local_v6()
                && judge::peer(tables, source).endpoint != scene.endpoint.id
        }
    }
}

#[inline(always)]
pub(crate) fn opened(
    connection: &mut Connection,
    scene: &Scene,
    facts: &Facts,
    judgement: &Judgement,
) {
    let (verdict, reason) = judgement.verdict.to_numbers();
    let (sent, received) = match scene.direction {
        Direction::Egress => (1, 0),
        Direction::Ingress => (0, 1),
    };
    let length = u64::from(scene.length);
    *connection = Connection {
        created: scene.now,
        last: scene.now,
        told: scene.now,
        sent_packets: sent,
        sent_bytes: sent * length,
        received_packets: received,
        received_bytes: received * length,
        socket: facts.socket,
        rule: judgement.rule,
        policy: judgement.policy,
        generation: scene.endpoint.generation,
        peer_identity: judgement.peer.identity,
        peer_class: judgement.peer.class,
        origin: scene.direction as u8,
        state: State::New as u8,
        verdict,
        reason,
        sent_flags: sent as u8 * facts.tcp_flags,
        received_flags: received as u8 * facts.tcp_flags,
        marks: 0,
        icmp_type: facts.icmp_type,
        icmp_code: facts.icmp_code,
        match_type: judgement.match_type,
        pad: [0; 2],
    };
}
