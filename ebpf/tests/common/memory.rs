//! The engine's tables in plain memory: hash maps, the tries searched naively, rings with a bound.

use std::collections::HashMap;

use flowd_abi::{
    Address, Connection, ConnectionKey, Counter, CounterIndex, Denied, Endpoint, Event,
    FragmentHead, FragmentKey, Guarded, GuardedKey, KernelDropKey, KernelDropped, Peer, PeerKey,
    PolicyEntry, PolicyKey,
};
use flowd_ebpf::{Aligned, Packet, Ring, Tables, Timeouts, kernel_drop::KernelDropTables};

pub const SECOND: u64 = 1_000_000_000;

/// The loader's defaults.
pub const TIMEOUTS: Timeouts = Timeouts {
    tcp_new: 60 * SECOND,
    tcp_established: 8000 * SECOND,
    tcp_closing: 10 * SECOND,
    other: 60 * SECOND,
    icmp: 30 * SECOND,
    denied: 60 * SECOND,
    fragment: 30 * SECOND,
};

/// The socket every packet comes from.
pub const SOCKET: u64 = 77;

/// A packet that is a slice.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Packet for Bytes<'_> {
    fn length(&self) -> u32 {
        self.0.len() as u32
    }

    fn socket(&self) -> u64 {
        SOCKET
    }

    fn read<const N: usize>(&self, offset: u32) -> Option<Aligned<N>> {
        let start = offset as usize;
        let bytes = self.0.get(start..start.checked_add(N)?)?;
        bytes.try_into().ok().map(Aligned)
    }
}

/// All tables. Room is what `put_*` finds: nothing is evicted.
#[derive(Debug)]
pub struct Memory {
    pub endpoints: HashMap<u32, Endpoint>,
    pub peers: HashMap<PeerKey, Peer>,
    pub policy: HashMap<PolicyKey, PolicyEntry>,
    pub connections: HashMap<ConnectionKey, Connection>,
    pub denied: HashMap<ConnectionKey, Denied>,
    pub fragments: HashMap<FragmentKey, FragmentHead>,
    pub counters: Vec<Counter>,
    pub events: Vec<Event>,
    pub drops: Vec<Event>,
    pub kernel: Vec<Event>,
    pub guarded: HashMap<GuardedKey, Guarded>,
    pub kernel_drops: HashMap<KernelDropKey, KernelDropped>,
    /// Connections, denied flows and fragments that have room.
    pub table_room: usize,
    /// Events each ring holds.
    pub ring_room: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            endpoints: HashMap::new(),
            peers: HashMap::new(),
            policy: HashMap::new(),
            connections: HashMap::new(),
            denied: HashMap::new(),
            fragments: HashMap::new(),
            counters: vec![Counter::default(); CounterIndex::LEN as usize],
            events: Vec::new(),
            drops: Vec::new(),
            kernel: Vec::new(),
            guarded: HashMap::new(),
            kernel_drops: HashMap::new(),
            table_room: 100_000,
            ring_room: 100_000,
        }
    }
}

impl Memory {
    /// The slots in which packets are not told + coalesced + deferred: none, ever.
    pub fn unbalanced(&self) -> Vec<Counter> {
        let balances = |counter: &Counter| {
            counter.told + counter.coalesced + counter.deferred == counter.packets
        };
        self.counters
            .iter()
            .filter(|counter| !balances(counter))
            .copied()
            .collect()
    }

    /// One number summed over all slots.
    pub fn sum(&self, part: impl Fn(&Counter) -> u64) -> u64 {
        self.counters.iter().map(part).sum()
    }
}

/// Whether the first `bits` bits are the same.
fn shares_prefix(left: &[u8], right: &[u8], bits: u32) -> bool {
    (0..bits as usize).all(|bit| {
        let mask = 0x80 >> (bit % 8);
        left[bit / 8] & mask == right[bit / 8] & mask
    })
}

fn put<K: std::hash::Hash + Eq + Copy, V: Copy>(
    table: &mut HashMap<K, V>,
    room: usize,
    key: &K,
    value: &V,
) -> bool {
    if table.len() >= room && !table.contains_key(key) {
        return false;
    }
    table.insert(*key, *value);
    true
}

impl Tables for Memory {
    fn timeouts(&self) -> Timeouts {
        TIMEOUTS
    }

    fn endpoint(&self, ifindex: u32) -> Option<Endpoint> {
        self.endpoints.get(&ifindex).copied()
    }

    fn peer(&self, address: &Address) -> Option<Peer> {
        self.peers
            .iter()
            .filter(|(key, _)| shares_prefix(&key.address.0, &address.0, key.prefix))
            .max_by_key(|(key, _)| key.prefix)
            .map(|(_, peer)| *peer)
    }

    fn policy(&self, key: &PolicyKey) -> Option<PolicyEntry> {
        self.policy
            .iter()
            .filter(|(entry, _)| {
                entry.prefix <= key.prefix
                    && shares_prefix(&entry.data(), &key.data(), entry.prefix)
            })
            .max_by_key(|(entry, _)| entry.prefix)
            .map(|(_, entry)| *entry)
    }

    fn connection(&mut self, key: &ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(key)
    }

    fn put_connection(&mut self, key: &ConnectionKey, value: &Connection) -> bool {
        put(&mut self.connections, self.table_room, key, value)
    }

    fn remove_connection(&mut self, key: &ConnectionKey) {
        self.connections.remove(key);
    }

    fn denied(&mut self, key: &ConnectionKey) -> Option<&mut Denied> {
        self.denied.get_mut(key)
    }

    fn put_denied(&mut self, key: &ConnectionKey, value: &Denied) -> bool {
        put(&mut self.denied, self.table_room, key, value)
    }

    fn remove_denied(&mut self, key: &ConnectionKey) {
        self.denied.remove(key);
    }

    fn fragment(&self, key: &FragmentKey) -> Option<FragmentHead> {
        self.fragments.get(key).copied()
    }

    fn put_fragment(&mut self, key: &FragmentKey, value: &FragmentHead) {
        put(&mut self.fragments, self.table_room, key, value);
    }

    fn add(place: &mut u64, amount: u64) {
        *place += amount;
    }

    fn coalesce(&mut self, slot: u32, length: u32) {
        self.count(slot, length);
        self.counters[slot as usize].coalesced += 1;
    }

    fn count(&mut self, slot: u32, length: u32) {
        let counter = &mut self.counters[slot as usize];
        counter.packets += 1;
        counter.bytes += u64::from(length);
    }

    fn classify(&mut self, slot: u32, told: bool) {
        let counter = &mut self.counters[slot as usize];
        if told {
            counter.told += 1;
        } else {
            counter.deferred += 1;
        }
    }

    fn recovered(&mut self, slot: u32, packets: u64) {
        self.counters[slot as usize].recovered += packets;
    }

    fn tell(&mut self, ring: Ring, fill: impl FnOnce(&mut Event)) -> bool {
        let ring = match ring {
            Ring::Events => &mut self.events,
            Ring::Drops => &mut self.drops,
            Ring::Kernel => &mut self.kernel,
        };
        if ring.len() >= self.ring_room {
            return false;
        }
        let mut event = Event::default();
        fill(&mut event);
        ring.push(event);
        true
    }
}

impl KernelDropTables for Memory {
    fn guarded(&self, key: &GuardedKey) -> Option<Guarded> {
        self.guarded.get(key).copied()
    }

    fn kernel_drop(&mut self, key: &KernelDropKey) -> Option<&mut KernelDropped> {
        self.kernel_drops.get_mut(key)
    }

    fn put_kernel_drop(&mut self, key: &KernelDropKey, value: &KernelDropped) -> bool {
        put(&mut self.kernel_drops, self.table_room, key, value)
    }

    fn remove_kernel_drop(&mut self, key: &KernelDropKey) {
        self.kernel_drops.remove(key);
    }
}
