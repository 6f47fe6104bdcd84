//! From what happened to the event that tells it.

use flowd_abi::{
    Address, Connection, ConnectionKey, Denied, Direction, Event, EventKind, KernelDropKey,
    KernelDropped, connection::Marks, event::EventFlags,
};

use crate::{
    packet::{Facts, Scene},
    tables::{Ring, Tables},
};

/// The verdict of everything the kernel drops ([`flowd_abi::Verdict::to_numbers`]).
const DROPPED: u8 = 2;

/// What is the same in every event about a packet.
#[inline(always)]
fn packet_event(event: &mut Event, scene: &Scene, facts: &Facts, kind: EventKind) {
    keyed(event, &facts.key, kind);
    event.time = scene.now;
    event.created = scene.now;
    event.endpoint = scene.endpoint.id;
    event.generation = scene.endpoint.generation;
    event.ifindex = scene.ifindex;
    event.length = scene.length;
    event.direction = scene.direction as u8;
    event.origin = scene.direction as u8;
    event.ethertype = facts.ethertype;
    event.tcp_flags = facts.tcp_flags;
    event.icmp_type = facts.icmp_type;
    event.icmp_code = facts.icmp_code;
    event.destination_mac = facts.macs[0];
    event.source_mac = facts.macs[1];
    if !facts.addressed {
        event.flags = EventFlags::NO_ADDRESSES;
    }
}

#[inline(always)]
fn keyed(event: &mut Event, key: &ConnectionKey, kind: EventKind) {
    event.local = key.local;
    event.remote = key.remote;
    event.local_port = key.local_port;
    event.remote_port = key.remote_port;
    event.protocol = key.protocol;
    event.endpoint = key.endpoint;
    event.kind = kind as u8;
}

/// Tells a step in a connection's life, from the packet that took it.
#[inline(always)]
pub fn connection<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    kind: EventKind,
    connection: &Connection,
) -> bool {
    tables.tell(Ring::Events, |event| {
        packet_event(event, scene, facts, kind);
        fill_connection(event, connection);
        if connection.origin != scene.direction as u8 {
            event.flags |= EventFlags::REPLY;
        }
    })
}

/// Tells a step in a connection's life from the sweep: there is no packet at hand.
#[inline(always)]
pub fn swept_connection<T: Tables>(
    tables: &mut T,
    key: &ConnectionKey,
    connection: &Connection,
    kind: EventKind,
    now: u64,
) -> bool {
    tables.tell(Ring::Events, |event| {
        keyed(event, key, kind);
        event.time = now;
        event.flags = EventFlags::SWEPT;
        event.direction = connection.origin;
        event.ethertype = ethertype(key);
        event.icmp_type = connection.icmp_type;
        event.icmp_code = connection.icmp_code;
        fill_connection(event, connection);
        event.tcp_flags = match connection.origin() {
            Direction::Egress => connection.sent_flags,
            Direction::Ingress => connection.received_flags,
        };
    })
}

#[inline(always)]
fn fill_connection(event: &mut Event, connection: &Connection) {
    event.created = connection.created;
    event.sent_packets = connection.sent_packets;
    event.sent_bytes = connection.sent_bytes;
    event.received_packets = connection.received_packets;
    event.received_bytes = connection.received_bytes;
    event.socket = connection.socket;
    event.rule = connection.rule;
    event.policy = connection.policy;
    event.generation = connection.generation;
    event.peer_identity = connection.peer_identity;
    event.peer_class = connection.peer_class;
    event.origin = connection.origin;
    event.state = connection.state;
    event.verdict = connection.verdict;
    event.reason = connection.reason;
    event.match_type = connection.match_type;
    if connection.marks & Marks::SEEDED != 0 {
        event.flags |= EventFlags::SEEDED;
    }
}

/// Tells a dropped packet.
#[inline(always)]
pub fn drop<T: Tables>(
    tables: &mut T,
    scene: &Scene,
    facts: &Facts,
    denied: &Denied,
    reply: bool,
) -> bool {
    tables.tell(Ring::Drops, |event| {
        packet_event(event, scene, facts, EventKind::Drop);
        fill_denied(event, denied, 1);
        if reply {
            event.flags |= EventFlags::REPLY;
        }
    })
}

/// Tells from the sweep that a denied flow went on.
#[inline(always)]
pub fn swept_denied<T: Tables>(
    tables: &mut T,
    key: &ConnectionKey,
    denied: &Denied,
    kind: EventKind,
    now: u64,
) -> bool {
    tables.tell(Ring::Drops, |event| {
        keyed(event, key, kind);
        event.time = now;
        event.flags = EventFlags::SWEPT;
        event.ethertype = ethertype(key);
        if key.local == Address::default() && key.remote == key.local {
            event.flags |= EventFlags::NO_ADDRESSES;
            // All that is known of it: where an unsupported ethertype is kept.
            event.ethertype = key.remote_port;
        }
        event.direction = denied.direction;
        event.origin = denied.direction;
        event.tcp_flags = denied.tcp_flags;
        event.icmp_type = denied.icmp_type;
        event.icmp_code = denied.icmp_code;
        fill_denied(event, denied, denied.packets - denied.told_packets);
    })
}

#[inline(always)]
fn fill_denied(event: &mut Event, denied: &Denied, speaks_for: u64) {
    event.created = denied.created;
    event.socket = denied.socket;
    event.sent_packets = speaks_for;
    event.sent_bytes = denied.bytes;
    event.received_packets = denied.packets;
    event.rule = denied.rule;
    event.policy = denied.policy;
    event.generation = denied.generation;
    event.peer_identity = denied.peer_identity;
    event.peer_class = denied.peer_class;
    event.verdict = denied.verdict;
    event.reason = denied.reason;
    event.match_type = denied.match_type;
}

#[inline(always)]
fn ethertype(key: &ConnectionKey) -> u16 {
    if key.local.is_v4() {
        crate::parse::ethernet::IPV4
    } else {
        crate::parse::ethernet::IPV6
    }
}

/// Tells what the kernel dropped, from the packet or from the sweep.
#[inline(always)]
pub fn kernel_drop<T: Tables>(
    tables: &mut T,
    key: &KernelDropKey,
    value: &KernelDropped,
    kind: EventKind,
    speaks_for: u64,
    now: u64,
) -> bool {
    tables.tell(Ring::Kernel, |event| {
        keyed(event, &key.flow, kind);
        event.kernel_reason = key.reason;
        event.direction = key.direction;
        event.origin = key.direction;
        event.verdict = DROPPED;
        event.reason = value.class;
        event.ethertype = ethertype(&key.flow);
        event.time = now;
        event.created = value.created;
        event.sent_packets = speaks_for;
        event.sent_bytes = value.bytes;
        event.received_packets = value.packets;
        event.received_bytes = value.opened;
        event.socket = value.socket;
        event.generation = value.generation;
        event.peer_identity = value.peer_identity;
        event.peer_class = value.peer_class;
        event.ifindex = value.ifindex;
        event.state = value.state;
        event.flags = value.flags;
        event.tcp_flags = value.tcp_flags;
        event.icmp_type = value.icmp_type;
        event.icmp_code = value.icmp_code;
    })
}
