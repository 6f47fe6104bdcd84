//! Dropped packets: the first of a flow is told, the rest are counted.

use flowd_abi::{
    CounterIndex, Denied, DropReason, Endpoint, EventKind, ForwardReason, Peer, Verdict,
    endpoint::EndpointFlags,
};

use crate::{
    judge::Judgement,
    notice,
    packet::{Facts, Room, Scene},
    tables::Tables,
};

/// What a denial becomes in the endpoint's mode.
#[inline(always)]
fn denial(endpoint: &Endpoint, reason: DropReason) -> Verdict {
    if endpoint.has(EndpointFlags::AUDIT) {
        Verdict::Audit(reason)
    } else {
        Verdict::Drop(reason)
    }
}

/// Counts a packet of a denied flow whose denial still stands; `None` if it must be judged. A table
/// that was full may have room by now.
#[inline(always)]
pub fn stands<T: Tables>(tables: &mut T, scene: &Scene, facts: &Facts) -> Option<Verdict> {
    again(tables, scene, facts, |denied| {
        denied.direction == scene.direction as u8 && denied.reason != DropReason::TableFull as u8
    })
}

/// Counts a packet in its denied flow, if that is alive and the same to the caller.
#[inline(always)]
fn again<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    same: impl FnOnce(&Denied) -> bool,
) -> Option<Verdict> {
    let limit = tables.timeouts().denied;
    let denied = tables.denied(&facts.key)?;
    if denied.generation != scene.endpoint.generation
        || scene.now.saturating_sub(denied.last) >= limit
        || !same(denied)
    {
        return None;
    }
    let verdict = denial(&scene.endpoint, DropReason::from_number(denied.reason)?);
    denied.last = scene.now;
    T::add(&mut denied.packets, 1);
    T::add(&mut denied.bytes, u64::from(scene.length));
    tables.coalesce(CounterIndex::of(verdict, scene.direction), scene.length);
    Some(verdict)
}

/// Drops a packet that says nothing flowd can judge, where the workload is enforced in this
/// direction; where it is not, nothing is cut.
#[inline(always)]
pub fn refuse_if_enforced<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    reason: DropReason,
) -> Verdict {
    if scene.endpoint.policy(scene.direction) != 0 {
        return refuse(tables, scene, facts, room, reason);
    }
    let verdict = Verdict::Forward(ForwardReason::Unenforced);
    tables.coalesce(CounterIndex::of(verdict, scene.direction), scene.length);
    verdict
}

/// Drops a packet that no policy needs to be asked about.
#[inline(always)]
pub fn refuse<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    reason: DropReason,
) -> Verdict {
    let judgement = Judgement {
        verdict: Verdict::Drop(reason),
        rule: 0,
        policy: scene.endpoint.policy(scene.direction),
        match_type: 0,
        peer: Peer::default(),
        reply: false,
    };
    judged(tables, scene, facts, room, &judgement, reason)
}

/// Drops a packet: counts it, remembers its flow, tells it unless the flow has been told. In audit
/// mode it passes, and is told the same.
#[inline(always)]
pub fn judged<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    judgement: &Judgement,
    reason: DropReason,
) -> Verdict {
    let direction = scene.direction as u8;
    let same = |denied: &Denied| denied.direction == direction && denied.reason == reason as u8;
    if let Some(verdict) = again(tables, scene, facts, same) {
        return verdict;
    }
    first(tables, scene, facts, room, judgement, reason)
}

/// Drops a packet of a connection that was cut. Both its directions meet the same verdict, so they
/// are one flow: two sides that go on sending are not told packet by packet.
#[inline(always)]
pub fn cut<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    judgement: &Judgement,
    reason: DropReason,
) -> Verdict {
    let same = |denied: &Denied| {
        denied.policy == judgement.policy
            && denied.rule == judgement.rule
            && denied.reason == reason as u8
    };
    if let Some(verdict) = again(tables, scene, facts, same) {
        return verdict;
    }
    first(tables, scene, facts, room, judgement, reason)
}

/// Drops a packet that is told.
#[inline(always)]
fn first<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    judgement: &Judgement,
    reason: DropReason,
) -> Verdict {
    let verdict = denial(&scene.endpoint, reason);
    let slot = CounterIndex::of(verdict, scene.direction);
    tables.count(slot, scene.length);
    let denied = &mut room.denied;
    fresh(denied, scene, facts, judgement, verdict);
    if let Some(old) = tables.denied(&facts.key) {
        carry(old, denied);
    }
    let told = notice::drop(tables, scene, facts, denied, judgement.reply);
    tables.classify(slot, told);
    if told {
        denied.told_packets += 1;
    } else {
        denied.deferred += 1;
    }
    // Where the table has no room either, nothing can tell the packet later; the ledger counts it
    // among the lost: deferred, not recovered, not pending.
    tables.put_denied(&facts.key, denied);
    verdict
}

/// A denial that was decided anew keeps the numbers of the flow it goes on.
#[inline(always)]
fn carry(old: &Denied, denied: &mut Denied) {
    denied.created = old.created;
    denied.packets += old.packets;
    denied.bytes += old.bytes;
    denied.told_packets = old.told_packets;
    denied.deferred = old.deferred;
}

#[inline(always)]
fn fresh(
    denied: &mut Denied,
    scene: &Scene,
    facts: &Facts,
    judgement: &Judgement,
    verdict: Verdict,
) {
    let (verdict, reason) = verdict.to_numbers();
    *denied = Denied {
        created: scene.now,
        last: scene.now,
        told: scene.now,
        packets: 1,
        bytes: u64::from(scene.length),
        told_packets: 0,
        socket: facts.socket,
        rule: judgement.rule,
        policy: judgement.policy,
        generation: scene.endpoint.generation,
        peer_identity: judgement.peer.identity,
        peer_class: judgement.peer.class,
        deferred: 0,
        direction: scene.direction as u8,
        verdict,
        reason,
        match_type: judgement.match_type,
        tcp_flags: facts.tcp_flags,
        icmp_type: facts.icmp_type,
        icmp_code: facts.icmp_code,
        pad: 0,
    };
}

/// Tells from the sweep what of a denied flow has not been told, and forgets it when its time is
/// over.
#[inline(always)]
pub fn sweep<T: Tables>(tables: &mut T, key: &flowd_abi::ConnectionKey, now: u64, interval: u64) {
    let limit = tables.timeouts().denied;
    let Some(entry) = tables.denied(key) else {
        return;
    };
    let over = now.saturating_sub(entry.last) >= limit;
    let denied = *entry;
    let untold = denied.packets > denied.told_packets;
    let due = over || denied.deferred > 0 || now.saturating_sub(denied.told) >= interval;
    if untold && due {
        let kind = if denied.told_packets == 0 {
            EventKind::Drop
        } else {
            EventKind::Drops
        };
        if !notice::swept_denied(tables, key, &denied, kind, now) {
            return;
        }
        if let Some(verdict) = Verdict::from_numbers(denied.verdict, denied.reason)
            && let Some(direction) = flowd_abi::Direction::from_number(denied.direction)
        {
            tables.recovered(
                CounterIndex::of(verdict, direction),
                u64::from(denied.deferred),
            );
        }
        if let Some(entry) = tables.denied(key) {
            entry.told = now;
            entry.told_packets = denied.packets;
            entry.deferred = 0;
        }
    }
    if over {
        tables.remove_denied(key);
    }
}
