//! The host's own traffic on its own devices. The engine is the workloads'; what differs is whose a
//! packet is: most of what crosses such a device is somebody else's and is not judged.
//!
//! A packet that came from outside is the host's if its destination is one of the host's addresses;
//! one that leaves is the host's if the host made it. What the host carries for others leaves under
//! its own address where source NAT is at work: such a connection is remembered, so that the answer,
//! which comes addressed to the host, finds it.

use flowd_abi::{
    ConnectionKey, CounterIndex, Direction, EventKind, ForwardReason, Peer, Verdict,
    connection::Marks, endpoint::EndpointFlags, protocol,
};

use crate::{
    deny,
    engine::{self, Meeting, Outcome},
    judge::{self, Judgement},
    notice, open,
    packet::{Facts, Packet, Room, Scene, Scratch},
    read::{self, Subject},
    tables::Tables,
};

const IGMP: u8 = 2;
/// Ports of DHCP, server and client (RFC 2131, section 4.1; RFC 8415, section 7.2).
const DHCP: [(u16, u16); 2] = [(67, 68), (547, 546)];

/// Who made a packet that is met on a host's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The host itself.
    Host,
    /// Somebody else: it came to the host by a device.
    Other,
}

/// Decides on one packet of a host's device.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scratch: &mut Scratch,
    meeting: Meeting,
    maker: Maker,
) -> Outcome {
    let direction = meeting.direction;
    let Some(endpoint) = tables.endpoint(meeting.ifindex) else {
        return Outcome::Unguarded;
    };
    if endpoint.has(EndpointFlags::OFF) {
        return Outcome::Unguarded;
    }
    scratch.begin(packet, meeting, endpoint);
    let Scratch {
        blank: _,
        scene,
        facts,
        headers,
        room,
    } = scratch;
    let verdict = match read::read(packet, tables, scene, facts, headers) {
        Ok(Subject::Error)
            if erring(direction, maker) || engine::related(packet, tables, scene, headers) =>
        {
            Some(counted(tables, scene, ForwardReason::Related))
        }
        Ok(subject) => decide(packet, tables, scene, facts, room, maker, subject),
        Err(reason) if facts.addressed && is_own(tables, scene, facts, maker) => {
            Some(deny::refuse_if_enforced(tables, scene, facts, room, reason))
        }
        // Whose it is cannot be said: frames without addresses are the business of switches.
        Err(_) => None,
    };
    verdict.map_or(Outcome::Unguarded, Outcome::Judged)
}

/// The verdict, `None` for what is not the host's.
#[inline(always)]
fn decide<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    facts: &mut Facts,
    room: &mut Room,
    maker: Maker,
    subject: Subject,
) -> Option<Verdict> {
    match subject {
        Subject::Neighbour => return Some(counted(tables, scene, ForwardReason::Neighbour)),
        Subject::Answer => {
            if let Some(verdict) = engine::connected(packet, tables, scene, facts, room) {
                return Some(verdict);
            }
            read::one_way(scene, facts);
        }
        Subject::Message | Subject::Error | Subject::Unsupported => {}
    }
    if let Some(verdict) = engine::connected(packet, tables, scene, facts, room) {
        return Some(verdict);
    }
    if !is_own(tables, scene, facts, maker) {
        return None;
    }
    if keeps_the_address(&facts.key) {
        return Some(counted(tables, scene, ForwardReason::Neighbour));
    }
    if matches!((scene.direction, maker), (Direction::Egress, Maker::Host)) {
        facts.socket = packet.socket();
    }
    Some(match (scene.direction, maker) {
        (Direction::Egress, Maker::Other) => masqueraded(tables, scene, facts, room),
        (Direction::Egress, Maker::Host) | (Direction::Ingress, _) => {
            open::open(tables, scene, facts, room)
        }
    })
}

/// Whether a packet is the host's, or leaves under its address.
#[inline(always)]
fn is_own<T: Tables>(tables: &T, scene: &Scene, facts: &Facts, maker: Maker) -> bool {
    match (scene.direction, maker) {
        (Direction::Egress, Maker::Host) => true,
        (Direction::Egress, Maker::Other) | (Direction::Ingress, _) => {
            judge::peer(tables, &facts.key.local).identity == Peer::HOST_IDENTITY
        }
    }
}

/// An ICMP error that the host sends quotes what its receiver sent, often through this host to
/// somebody else: without it path MTU discovery of others would fail (RFC 4890, section 4.3.1).
#[inline(always)]
const fn erring(direction: Direction, maker: Maker) -> bool {
    matches!((direction, maker), (Direction::Egress, Maker::Host))
}

/// Whether it is how a host gets and keeps its address and its groups: without it a policy would
/// cut the host off hours later, when the lease is over.
#[inline(always)]
fn keeps_the_address(key: &ConnectionKey) -> bool {
    let ports = (key.remote_port, key.local_port);
    key.protocol == IGMP
        || (key.protocol == protocol::UDP && (ports == DHCP[0] || ports == DHCP[1]))
}

/// Passes and is remembered, told like any connection. Where there is no room to remember it, it
/// passes all the same; what it lacks is the answer.
#[inline(always)]
fn masqueraded<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
) -> Verdict {
    let verdict = Verdict::Forward(ForwardReason::Masqueraded);
    let judgement = Judgement {
        verdict,
        rule: 0,
        policy: 0,
        match_type: 0,
        peer: judge::peer(tables, &facts.key.remote),
        reply: false,
    };
    let connection = &mut room.connection;
    open::opened(connection, scene, facts, &judgement);
    connection.marks = Marks::KEPT;
    if !tables.put_connection(&facts.key, connection) {
        return counted(tables, scene, ForwardReason::Masqueraded);
    }
    let slot = CounterIndex::of(verdict, scene.direction);
    tables.count(slot, scene.length);
    let told = notice::connection(tables, scene, facts, EventKind::Open, connection);
    tables.classify(slot, told);
    if !told && let Some(entry) = tables.connection(&facts.key) {
        entry.marks |= Marks::UNTOLD_OPEN;
    }
    verdict
}

#[inline(always)]
fn counted<T: Tables>(tables: &mut T, scene: &Scene, reason: ForwardReason) -> Verdict {
    let verdict = Verdict::Forward(reason);
    tables.coalesce(CounterIndex::of(verdict, scene.direction), scene.length);
    verdict
}
