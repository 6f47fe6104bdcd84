//! A packet that the kernel dropped: whose it was, and what is told of it.
//!
//! As with denied flows, the first packet of a flow is told and the rest are counted; a sweep tells
//! what was counted. A flow that loses packets for two reasons is told for each.

use flowd_abi::{
    Address, CounterIndex, Direction, DropReason, EventKind, Guarded, GuardedKey, KernelDropKey,
    KernelDropped, KernelReason, Verdict, event::EventFlags, protocol,
};

use crate::{
    notice,
    packet::Packet,
    parse::{Datagram, Fragment, Transport, Version, ipv4, ipv6, transport},
    read,
    tables::Tables,
};

/// What is asked of the tables beside [`Tables`].
pub trait KernelDropTables: Tables {
    /// `GUARDED`.
    fn guarded(&self, key: &GuardedKey) -> Option<Guarded>;

    /// `KERNEL_DROPS`.
    fn kernel_drop(&mut self, key: &KernelDropKey) -> Option<&mut KernelDropped>;

    /// Puts a flow that loses packets; `false` if the table has no room.
    fn put_kernel_drop(&mut self, key: &KernelDropKey, value: &KernelDropped) -> bool;

    /// Removes one.
    fn remove_kernel_drop(&mut self, key: &KernelDropKey);
}

/// What the kernel said of a packet when it dropped it.
#[derive(Clone, Copy, Debug)]
pub struct Freed {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub now: u64,
    /// Number of the network namespace it was in.
    pub namespace: u32,
    /// Whether that is the one whose devices are guarded.
    pub host: bool,
    /// Whether it had come in there by a device.
    pub received: bool,
    /// Version of its IP header.
    pub version: Version,
    /// The device it was on, 0 for none.
    pub ifindex: u32,
    /// Bytes from its IP header on.
    pub length: u32,
    /// Why.
    pub reason: KernelReason,
    /// The class of the reason.
    pub class: DropReason,
    /// Cookie of the socket that was to get it, 0 for none.
    pub receiver: u64,
    /// Cookie of the socket it belonged to, 0 for none.
    pub owner: u64,
}

/// Where things are put together: the kernel's stack is too small for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelScratch {
    /// The packet's IP header.
    pub datagram: Datagram,
    /// Its transport header.
    pub transport: Transport,
    /// Its key.
    pub key: KernelDropKey,
    /// A value to be put.
    pub value: KernelDropped,
}

/// What became of a dropped packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is counted, and told by an event of its own or by the sweep.
    In,
    /// It is no guarded workload's.
    Elsewhere,
    /// Nothing was lost by it.
    NoLoss,
}

/// Takes a dropped packet in. `packet` begins with its IP
/// header, and claims more bytes than it has: a header that lies about the length is still read.
#[inline(always)]
pub fn dropped<P: Packet, T: KernelDropTables>(
    packet: &P,
    tables: &mut T,
    scratch: &mut KernelScratch,
    freed: &Freed,
) -> Taken {
    let KernelScratch {
        datagram,
        transport,
        key,
        value,
    } = scratch;
    let parsed = match freed.version {
        Version::V4 => ipv4::parse(packet, 0, datagram),
        Version::V6 => ipv6::parse(packet, 0, datagram),
    };
    if parsed.is_err() {
        return Taken::Elsewhere;
    }
    let Some((endpoint, direction)) = whose(tables, datagram, freed) else {
        return Taken::Elsewhere;
    };
    if loses_nothing(datagram, freed.class) {
        return Taken::NoLoss;
    }
    *transport = Transport::default();
    let later = matches!(datagram.fragment, Fragment::Later { .. });
    if later || transport::parse(packet, datagram, transport).is_err() {
        // Told without ports: those of a later fragment stand elsewhere.
        *transport = Transport::default();
    }
    *key = KernelDropKey::default();
    key.flow.endpoint = endpoint;
    key.reason = freed.reason.0;
    key.direction = direction as u8;
    read::key(&mut key.flow, direction, datagram, transport);
    let slot = CounterIndex::of(Verdict::Drop(freed.class), direction);
    if counted(tables, key, freed) {
        tables.coalesce(slot, freed.length);
        return Taken::In;
    }
    *value = KernelDropped::default();
    fill(value, transport, freed);
    belong(tables, key, value, direction, freed);
    tables.count(slot, freed.length);
    let told = notice::kernel_drop(tables, key, value, EventKind::Drop, 1, freed.now);
    tables.classify(slot, told);
    if told {
        value.told_packets += 1;
    } else {
        value.deferred += 1;
    }
    // Where the table has no room, the next packet of the flow is told as well.
    tables.put_kernel_drop(key, value);
    Taken::In
}

/// Messages of ICMP that no socket waits for: the stack has acted on them, and raw sockets (most
/// pings) were given their copy before the kernel frees its own. What is sent to many is nobody's loss
/// where nobody has joined; a full queue and a filter lose it nevertheless.
#[inline(always)]
fn loses_nothing(datagram: &Datagram, class: DropReason) -> bool {
    let icmp = matches!(datagram.protocol, protocol::ICMP | protocol::ICMPV6);
    let taken = matches!(
        class,
        DropReason::KernelQueueFull | DropReason::KernelFiltered
    );
    (icmp && matches!(class, DropReason::KernelNoSocket))
        || (!taken && is_to_many(&datagram.destination))
}

/// Multicast (RFC 1112, RFC 4291), or limited broadcast.
#[inline(always)]
fn is_to_many(Address(bytes): &Address) -> bool {
    // 224.0.0.0 and above, of both kinds, in the v4-mapped form.
    let v4 = bytes[10] == 0xff && bytes[11] == 0xff && bytes[0] == 0;
    bytes[0] == 0xff || (v4 && bytes[12] >= 224)
}

/// The workload a packet is of, and the side of it. Between two workloads it belongs to the one that
/// sent it until it has reached the other's namespace.
#[inline(always)]
fn whose<T: KernelDropTables>(
    tables: &T,
    datagram: &Datagram,
    freed: &Freed,
) -> Option<(u32, Direction)> {
    let sent = || Some((find(tables, &datagram.source, freed)?, Direction::Egress));
    let came = || {
        let endpoint = find(tables, &datagram.destination, freed)?;
        Some((endpoint, Direction::Ingress))
    };
    if freed.host || !freed.received {
        sent().or_else(came)
    } else {
        came().or_else(sent)
    }
}

#[inline(always)]
fn find<T: KernelDropTables>(tables: &T, address: &Address, freed: &Freed) -> Option<u32> {
    let mut key = GuardedKey {
        namespace: freed.namespace,
        address: *address,
    };
    let found = match tables.guarded(&key) {
        Some(found) => found,
        None => {
            key.namespace = GuardedKey::ANYWHERE;
            tables.guarded(&key)?
        }
    };
    Some(found.endpoint)
}

/// Counts a packet of a flow that has been told and is not over.
#[inline(always)]
fn counted<T: KernelDropTables>(tables: &mut T, key: &KernelDropKey, freed: &Freed) -> bool {
    let limit = tables.timeouts().denied;
    let Some(known) = tables.kernel_drop(key) else {
        return false;
    };
    if freed.now.saturating_sub(known.last) >= limit {
        return false;
    }
    known.last = freed.now;
    T::add(&mut known.packets, 1);
    T::add(&mut known.bytes, u64::from(freed.length));
    true
}

#[inline(always)]
fn fill(value: &mut KernelDropped, transport: &Transport, freed: &Freed) {
    value.created = freed.now;
    value.last = freed.now;
    value.told = freed.now;
    value.packets = 1;
    value.bytes = u64::from(freed.length);
    value.class = freed.class as u8;
    value.tcp_flags = transport.tcp_flags;
    value.icmp_type = transport.icmp_type;
    value.icmp_code = transport.icmp_code;
    if freed.host {
        // Elsewhere the number is another device's.
        value.ifindex = freed.ifindex;
    }
}

/// What is known of the flow already: its older drops, its connection, its peer.
#[inline(always)]
fn belong<T: KernelDropTables>(
    tables: &mut T,
    key: &KernelDropKey,
    value: &mut KernelDropped,
    direction: Direction,
    freed: &Freed,
) {
    if let Some(old) = tables.kernel_drop(key) {
        value.created = old.created;
        value.packets += old.packets;
        value.bytes += old.bytes;
        value.told_packets = old.told_packets;
        value.deferred = old.deferred;
    }
    value.socket = match direction {
        Direction::Ingress => freed.receiver,
        Direction::Egress => freed.owner,
    };
    if let Some(connection) = tables.connection(&key.flow) {
        value.opened = connection.created;
        value.generation = connection.generation;
        value.peer_identity = connection.peer_identity;
        value.peer_class = connection.peer_class;
        value.state = connection.state;
        if connection.origin != direction as u8 {
            value.flags = EventFlags::REPLY;
        }
        if value.socket == 0 {
            value.socket = connection.socket;
        }
        return;
    }
    let peer = tables
        .peer(&key.flow.remote)
        .unwrap_or(flowd_abi::Peer::WORLD);
    value.peer_identity = peer.identity;
    value.peer_class = peer.class;
}

/// Tells from the sweep what has been counted, and forgets a flow that has long lost nothing.
#[inline(always)]
pub fn sweep<T: KernelDropTables>(
    tables: &mut T,
    key: &KernelDropKey,
    value: &mut KernelDropped,
    now: u64,
    interval: u64,
) {
    let limit = tables.timeouts().denied;
    let Some(entry) = tables.kernel_drop(key) else {
        return;
    };
    *value = *entry;
    let over = now.saturating_sub(value.last) >= limit;
    let untold = value.packets.saturating_sub(value.told_packets);
    let due = over || value.deferred > 0 || now.saturating_sub(value.told) >= interval;
    if untold > 0 && due {
        let kind = match value.told_packets {
            0 => EventKind::Drop,
            _ => EventKind::Drops,
        };
        value.flags |= EventFlags::SWEPT;
        if !notice::kernel_drop(tables, key, value, kind, untold, now) {
            return;
        }
        if let Some(class) = DropReason::from_number(value.class)
            && let Some(direction) = Direction::from_number(key.direction)
        {
            let slot = CounterIndex::of(Verdict::Drop(class), direction);
            tables.recovered(slot, u64::from(value.deferred));
        }
        if let Some(entry) = tables.kernel_drop(key) {
            entry.told = now;
            entry.told_packets = value.packets;
            entry.deferred = 0;
        }
    }
    if over {
        tables.remove_kernel_drop(key);
    }
}
