//! The life of a packet: parse, find the connection, judge if need be, count, tell.

use flowd_abi::{
    Connection, ConnectionKey, CounterIndex, Direction, DropReason, EventKind, ForwardReason, Peer,
    Verdict, connection::Marks, endpoint::EndpointFlags, protocol,
};

use crate::{
    deny,
    judge::{self, Judgement},
    notice, open,
    packet::{Facts, Headers, Packet, Room, Scene, Scratch},
    parse::{Fragment, icmp},
    read::{self, Subject},
    tables::Tables,
    track::{self, Step},
};

/// What a hook does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No guarded workload is behind this device, or its mode is off.
    Unguarded,
    /// Judged and counted.
    Judged(Verdict),
}

/// Where and when a packet is met.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    /// The side of the workload it is on.
    pub direction: Direction,
    /// The device.
    pub ifindex: u32,
    /// Nanoseconds of `CLOCK_MONOTONIC`, or some milliseconds less.
    pub now: u64,
}

/// Decides on one packet.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scratch: &mut Scratch,
    meeting: Meeting,
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
        Ok(Subject::Error) if related(packet, tables, scene, headers) => {
            let verdict = Verdict::Forward(ForwardReason::Related);
            tables.coalesce(CounterIndex::of(verdict, direction), scene.length);
            verdict
        }
        Ok(subject) => decide(packet, tables, scene, facts, room, subject),
        Err(reason) => deny::refuse_if_enforced(tables, scene, facts, room, reason),
    };
    Outcome::Judged(verdict)
}

#[inline(always)]
fn decide<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    facts: &mut Facts,
    room: &mut Room,
    subject: Subject,
) -> Verdict {
    match subject {
        Subject::Neighbour => {
            let verdict = Verdict::Forward(ForwardReason::Neighbour);
            tables.coalesce(CounterIndex::of(verdict, scene.direction), scene.length);
            return verdict;
        }
        Subject::Answer => {
            if let Some(verdict) = connected(packet, tables, scene, facts, room) {
                return verdict;
            }
            // Nobody asked: judged by its own type, and never tracked as an exchange that would
            // let the other side's questions through.
            read::one_way(scene, facts);
        }
        Subject::Message | Subject::Error => {}
        Subject::Unsupported => {
            if scene.endpoint.policy(scene.direction) != 0 {
                return deny::refuse(tables, scene, facts, room, DropReason::UnsupportedProtocol);
            }
        }
    }
    match connected(packet, tables, scene, facts, room) {
        Some(verdict) => verdict,
        None => {
            if scene.direction as u8 == Direction::Egress as u8 {
                facts.socket = packet.socket();
            }
            open::open(tables, scene, facts, room)
        }
    }
}

/// The packet's connection, if it is known and not over: the stored verdict stands, unless another
/// generation made it.
#[inline(always)]
pub(crate) fn connected<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    facts: &mut Facts,
    room: &mut Room,
) -> Option<Verdict> {
    let timeouts = tables.timeouts();
    let connection = tables.connection(&facts.key)?;
    if track::expired(&timeouts, &facts.key, connection, scene.now)
        || track::reopens(scene, facts, connection)
    {
        return None;
    }
    let met = if connection.generation == scene.endpoint.generation {
        meet::<P, T>(packet, scene, facts, room, connection)?
    } else {
        rejudge(tables, scene, &facts.key);
        let connection = tables.connection(&facts.key)?;
        meet::<P, T>(packet, scene, facts, room, connection)?
    };
    Some(act(packet, tables, scene, facts, room, met))
}

/// What a packet meets in its connection.
enum Met {
    /// The connection is cut.
    Cut(Judgement, DropReason),
    /// It passes.
    Passed(Verdict, Step),
}

/// Takes a packet into its connection. A step that is to be told is put down as told, and as it is
/// now in `room`: the one that finds no room in the ring is marked later.
#[inline(always)]
fn meet<P: Packet, T: Tables>(
    packet: &P,
    scene: &Scene,
    facts: &mut Facts,
    room: &mut Room,
    connection: &mut Connection,
) -> Option<Met> {
    let stored = Verdict::from_numbers(connection.verdict, connection.reason)?;
    let reply = connection.origin != scene.direction as u8;
    if let Verdict::Drop(reason) = stored {
        facts.socket = connection.socket;
        return Some(Met::Cut(remembered(connection, stored, reply), reason));
    }
    let step = track::pass::<T>(scene, facts, connection);
    facts.look = track::look(scene, facts, connection);
    match step {
        Step::Goes => {}
        Step::Replied | Step::Ended => {
            connection.told = scene.now;
            if connection.socket == 0 && scene.direction as u8 == Direction::Egress as u8 {
                connection.socket = packet.socket();
            }
            room.connection = copied(connection);
        }
    }
    let verdict = if reply {
        Verdict::Forward(ForwardReason::Reply)
    } else {
        stored
    };
    Some(Met::Passed(verdict, step))
}

/// A copy, field by field: the kernel's compiler copies what may overlap byte by byte.
#[inline(always)]
fn copied(connection: &Connection) -> Connection {
    let Connection {
        created,
        last,
        told,
        sent_packets,
        sent_bytes,
        received_packets,
        received_bytes,
        socket,
        rule,
        policy,
        generation,
        peer_identity,
        peer_class,
        origin,
        state,
        verdict,
        reason,
        sent_flags,
        received_flags,
        marks,
        icmp_type,
        icmp_code,
        match_type,
        pad: _,
    } = *connection;
    Connection {
        created,
        last,
        told,
        sent_packets,
        sent_bytes,
        received_packets,
        received_bytes,
        socket,
        rule,
        policy,
        generation,
        peer_identity,
        peer_class,
        origin,
        state,
        verdict,
        reason,
        sent_flags,
        received_flags,
        marks,
        icmp_type,
        icmp_code,
        match_type,
        pad: [0; 2],
    }
}

#[inline(always)]
fn act<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    room: &mut Room,
    met: Met,
) -> Verdict {
    let (verdict, step) = match met {
        Met::Cut(judgement, reason) => {
            return deny::cut(tables, scene, facts, room, &judgement, reason);
        }
        Met::Passed(verdict, step) => (verdict, step),
    };
    packet.look(facts.look);
    let slot = CounterIndex::of(verdict, scene.direction);
    let (kind, untold) = match step {
        Step::Goes => {
            tables.coalesce(slot, scene.length);
            return verdict;
        }
        Step::Replied => (EventKind::Reply, Marks::UNTOLD_REPLY),
        Step::Ended => (EventKind::Close, Marks::UNTOLD_CLOSE),
    };
    tables.count(slot, scene.length);
    let told = notice::connection(tables, scene, facts, kind, &room.connection);
    tables.classify(slot, told);
    if !told && let Some(entry) = tables.connection(&facts.key) {
        entry.marks |= untold;
    }
    verdict
}

/// Judges a known connection anew, in the direction that opened it. A verdict that turns to forward
/// or to audit is left for the sweep to tell; one that turns to drop is told by the drop itself.
#[inline(always)]
fn rejudge<T: Tables>(tables: &mut T, scene: &Scene, key: &ConnectionKey) {
    let Some(connection) = tables.connection(key) else {
        return;
    };
    if connection.marks & Marks::KEPT != 0 {
        stays(tables, scene, key);
        return;
    }
    let origin = connection.origin();
    let port = policy_port(key, connection, origin);
    let mut judgement = judge::judge(tables, &scene.endpoint, key, origin, port);
    if open::spoofed(tables, scene, origin, &key.local) {
        judgement.refuse(DropReason::SourceAddress);
    }
    if let Verdict::Drop(reason) = judgement.verdict
        && scene.endpoint.has(EndpointFlags::AUDIT)
    {
        judgement.verdict = Verdict::Audit(reason);
    }
    let (verdict, reason) = judgement.verdict.to_numbers();
    let dropped = Verdict::Drop(DropReason::DefaultDenied).to_numbers().0;
    if let Some(entry) = tables.connection(key) {
        if verdict == dropped {
            entry.marks &= !Marks::UNTOLD_VERDICT;
        } else if entry.verdict != verdict {
            entry.marks |= Marks::UNTOLD_VERDICT;
        }
        entry.verdict = verdict;
        entry.reason = reason;
        entry.rule = judgement.rule;
        entry.policy = judgement.policy;
        entry.match_type = judgement.match_type;
        entry.peer_identity = judgement.peer.identity;
        entry.peer_class = judgement.peer.class;
        entry.generation = scene.endpoint.generation;
    }
}

/// A kept connection moves on to the generation of now with its verdict.
#[inline(always)]
fn stays<T: Tables>(tables: &mut T, scene: &Scene, key: &ConnectionKey) {
    let peer = judge::peer(tables, &key.remote);
    if let Some(entry) = tables.connection(key) {
        entry.peer_identity = peer.identity;
        entry.peer_class = peer.class;
        entry.generation = scene.endpoint.generation;
    }
}

/// What a policy names of a known connection: its opening packet's destination port or ICMP type.
#[inline(always)]
fn policy_port(key: &ConnectionKey, connection: &Connection, origin: Direction) -> u16 {
    match (key.protocol, origin) {
        (protocol::ICMP | protocol::ICMPV6, _) => u16::from(connection.icmp_type),
        (_, Direction::Egress) => key.remote_port,
        (_, Direction::Ingress) => key.local_port,
    }
}

#[inline(always)]
fn remembered(connection: &Connection, verdict: Verdict, reply: bool) -> Judgement {
    Judgement {
        verdict,
        rule: connection.rule,
        policy: connection.policy,
        match_type: connection.match_type,
        peer: Peer {
            identity: connection.peer_identity,
            class: connection.peer_class,
            endpoint: 0,
        },
        reply,
    }
}

/// Whether an ICMP error is sent to the sender of the packet it quotes, and that packet is of a
/// connection that passes.
///
/// A later fragment quotes nothing: what lies where the quote would be is anything. An error with
/// a forged source is left to be judged, which finds that.
#[inline(always)]
pub(crate) fn related<P: Packet, T: Tables>(
    packet: &P,
    tables: &mut T,
    scene: &Scene,
    headers: &mut Headers,
) -> bool {
    let Headers {
        datagram,
        quoted,
        quoted_datagram,
        quoted_transport,
        ..
    } = headers;
    if matches!(datagram.fragment, Fragment::Later { .. })
        || open::spoofed(tables, scene, scene.direction, &datagram.source)
        || !icmp::quoted(packet, datagram, quoted_datagram, quoted_transport)
        || quoted_datagram.source != datagram.destination
    {
        return false;
    }
    // The quoted packet ran the other way than the error about it.
    let direction = match scene.direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    };
    *quoted = ConnectionKey {
        endpoint: scene.endpoint.id,
        ..ConnectionKey::default()
    };
    read::key(quoted, direction, quoted_datagram, quoted_transport);
    let timeouts = tables.timeouts();
    let Some(connection) = tables.connection(quoted) else {
        return false;
    };
    if track::expired(&timeouts, quoted, connection, scene.now) {
        return false;
    }
    if connection.generation != scene.endpoint.generation {
        rejudge(tables, scene, quoted);
    }
    let dropped = Verdict::Drop(DropReason::DefaultDenied).to_numbers().0;
    match tables.connection(quoted) {
        Some(connection) => connection.verdict != dropped,
        None => false,
    }
}
