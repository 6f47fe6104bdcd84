//! Who addresses are, and for whom it makes a difference that one means somebody else.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use flowd_abi::{Address, Endpoint, Peer, PolicyEntry};
use flowd_policy::{CompiledDirection, CompiledEntry, PodClass};
use ipnet::{IpNet, Ipv4Net};

use super::{
    identities::Classes,
    members::{Member, Members},
    plan::CompiledPolicy,
};
use crate::enrich::directory::address_of;

/// Prefix length and address: the key of an entry of the table of peers.
pub type PeerKey = (u32, [u8; 16]);
/// Who addresses are.
pub type Peers = BTreeMap<PeerKey, Peer>;

pub(super) const HOST_IDENTITY: u32 = 1;
/// With more transitions than this everybody is taken to be touched: a start, or a change of
/// everything, in which looking closer costs more than judging again.
const MAX_TRANSITIONS: usize = 64;

/// Prefixes of policies, then the host's addresses, then workloads': the later ones win.
pub(super) fn peers(classes: &Classes, host: &[IpAddr], members: &Members) -> Peers {
    let mut peers = Vec::new();
    if classes.world.values().any(covers_all_v4) {
        // IPv4 lies in the same trie, as a part of IPv6 that no IPv6 prefix means.
        peers.push((prefix_key(IpNet::V4(Ipv4Net::default())), Peer::WORLD));
    }
    for (class, prefix) in &classes.world {
        let peer = Peer {
            class: *class,
            ..Peer::WORLD
        };
        peers.push((prefix_key(*prefix), peer));
    }
    let pods = PodClasses::new(&classes.pods);
    for address in host {
        let peer = Peer {
            identity: HOST_IDENTITY,
            class: pods.of(HOST_IDENTITY, *address),
            endpoint: 0,
        };
        peers.push((host_key(*address), peer));
    }
    for (_, member) in members.iter() {
        for address in member.addresses() {
            peers.push((host_key(*address), pods.peer(member, *address)));
        }
    }
    // Of equal keys the map keeps the last.
    peers.into_iter().collect()
}

/// What some addresses that are no host's mean now, where that differs from before; `None` for
/// nothing of their own. No workload may share an address with another.
pub(super) fn moved(
    before: &Peers,
    classes: &Classes,
    members: &Members,
    addresses: &BTreeSet<IpAddr>,
) -> Vec<(PeerKey, Option<Peer>)> {
    let pods = PodClasses::new(&classes.pods);
    // A prefix may be as long as an address.
    let whole = |key: PeerKey| {
        let mut classes = classes.world.iter().rev();
        let found = classes.find(|(_, prefix)| prefix_key(**prefix) == key);
        found.map(|(&class, _)| Peer {
            class,
            ..Peer::WORLD
        })
    };
    let now = addresses.iter().map(|address| {
        let key = host_key(*address);
        match members.holder(address) {
            Some(member) => (key, Some(pods.peer(member, *address))),
            None => (key, whole(key)),
        }
    });
    now.filter(|(key, peer)| before.get(key) != peer.as_ref())
        .collect()
}

/// Finds the class of a workload's address without a walk over all of them.
struct PodClasses {
    classes: HashMap<PodClass, u32>,
    lengths: BTreeSet<u8>,
}

impl PodClasses {
    fn new(classes: &BTreeMap<u32, PodClass>) -> Self {
        Self {
            classes: classes
                .iter()
                .map(|(number, class)| (*class, *number))
                .collect(),
            lengths: classes
                .values()
                .map(|class| class.prefix.prefix_len())
                .collect(),
        }
    }

    /// What an address of a workload means.
    fn peer(&self, member: &Member, address: IpAddr) -> Peer {
        Peer {
            identity: member.identity,
            class: self.of(member.identity, address),
            endpoint: member.id,
        }
    }

    /// The class of the longest prefix that contains an address of an identity, 0 for none.
    fn of(&self, identity: u32, address: IpAddr) -> u32 {
        let mut longest_first = self.lengths.iter().rev();
        let found = longest_first.find_map(|&length| {
            let prefix = IpNet::new(address, length).ok()?.trunc();
            let mut owners = [Some(identity), None].into_iter();
            owners.find_map(|owner| self.classes.get(&PodClass { prefix, owner }))
        });
        found.copied().unwrap_or_default()
    }
}

/// Addresses that mean somebody else than before.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    /// Who they meant and who they mean, each pair once.
    pairs: BTreeSet<[(u32, u32); 2]>,
    /// Workloads that had one of them or have it now.
    owners: BTreeSet<u32>,
    everybody: bool,
    /// Whether each policy tells the two of some pair apart.
    policies: HashMap<u32, bool>,
}

impl Transitions {
    /// What differs between two tables of peers.
    pub(super) fn between(before: &Peers, after: &Peers) -> Self {
        let mut transitions = Self::default();
        for key in differing(before, after) {
            let (old, new) = (longest(before, key), longest(after, key));
            transitions.owners.extend([old.endpoint, new.endpoint]);
            let pair = [(old.identity, old.class), (new.identity, new.class)];
            if pair[0] != pair[1] {
                transitions.pairs.insert(pair);
            }
            if transitions.pairs.len() > MAX_TRANSITIONS {
                transitions.everybody = true;
                break;
            }
        }
        transitions
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        !self.everybody && self.pairs.is_empty() && self.owners.is_empty()
    }

    /// Whether a verdict of an endpoint may be another one after them.
    pub(super) fn touch(
        &mut self,
        endpoint: &Endpoint,
        policies: &BTreeMap<u32, CompiledPolicy>,
    ) -> bool {
        let ids = (endpoint.ingress_policy, endpoint.egress_policy);
        self.owners.contains(&endpoint.id) || self.touch_policies(ids, policies)
    }

    /// Whether an endpoint had one of the addresses or has it now.
    pub(super) fn are_of(&self, endpoint: u32) -> bool {
        self.owners.contains(&endpoint)
    }

    /// Whether a verdict of policies of these ids, ingress and egress, may be another one.
    pub(super) fn touch_policies(
        &mut self,
        (ingress, egress): (u32, u32),
        policies: &BTreeMap<u32, CompiledPolicy>,
    ) -> bool {
        if self.everybody || self.pairs.is_empty() {
            return self.everybody;
        }
        [ingress, egress].into_iter().any(|id| {
            let pairs = &self.pairs;
            *self.policies.entry(id).or_insert_with(|| {
                let policy = policies.get(&id);
                policy.is_some_and(|policy| tells_apart(&policy.compiled, pairs))
            })
        })
    }
}

fn tells_apart(policy: &CompiledDirection, pairs: &BTreeSet<[(u32, u32); 2]>) -> bool {
    pairs.iter().any(|[before, after]| {
        !about(policy, before.0).eq(about(policy, after.0))
            || !about(policy, before.1).eq(about(policy, after.1))
    })
}

/// What a policy says about one peer by its number; nothing about the number 0, which is no peer.
fn about(
    policy: &CompiledDirection,
    peer: u32,
) -> impl Iterator<Item = (u32, u8, [u8; 2], PolicyEntry)> {
    let entries = &policy.entries;
    let start = entries.partition_point(|entry| entry.peer() < peer);
    let own = entries
        .iter()
        .skip(start)
        .take_while(move |entry| peer != 0 && entry.peer() == peer);
    own.map(|CompiledEntry { key, value }| (key.prefix, key.protocol, key.port, *value))
}

/// The keys of entries that only one of the two has, in one walk along both.
fn differing(before: &Peers, after: &Peers) -> Vec<PeerKey> {
    let (mut before, mut after) = (before.iter(), after.iter());
    let (mut left, mut right) = (before.next(), after.next());
    let mut keys = Vec::new();
    loop {
        let order = match (left, right) {
            (None, None) => return keys,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        if left != right {
            let smaller = if order.is_le() { left } else { right };
            keys.extend(smaller.map(|(key, _)| *key));
        }
        if order.is_le() {
            left = before.next();
        }
        if order.is_ge() {
            right = after.next();
        }
    }
}

/// Who the addresses of a prefix are, as the programs find it.
fn longest(peers: &Peers, (length, address): PeerKey) -> Peer {
    let mut lengths = (0..=length).rev();
    let found = lengths.find_map(|length| peers.get(&(length, masked(address, length))));
    found.copied().unwrap_or(Peer::WORLD)
}

/// Who an address is.
pub(super) fn longest_of(peers: &Peers, address: IpAddr) -> Peer {
    longest(peers, host_key(address))
}

fn masked(address: [u8; 16], length: u32) -> [u8; 16] {
    let bits = u128::from_be_bytes(address);
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
    (bits & mask).to_be_bytes()
}

pub(super) fn prefix_key(prefix: IpNet) -> PeerKey {
    let length = u32::from(prefix.prefix_len());
    match prefix {
        IpNet::V4(net) => (96 + length, address_of(IpAddr::V4(net.network())).0),
        IpNet::V6(net) => (length, address_of(IpAddr::V6(net.network())).0),
    }
}

/// Whether an IPv6 prefix holds the place of IPv4 in the trie, `::ffff:0:0/96`.
fn covers_all_v4(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(_) => false,
        IpNet::V6(prefix) => prefix.contains(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()),
    }
}

fn host_key(address: IpAddr) -> PeerKey {
    let Address(bytes) = address_of(address);
    (128, bytes)
}
