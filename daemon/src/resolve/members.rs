//! The guarded workloads by device, with their numbers, and the identities they make up. Remembers the
//! last inputs, so that only what is new among the next ones is looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use flowd_abi::endpoint::EndpointFlags;
use flowd_policy::{Labels, NamedPorts};
use hashbrown::{HashMap, HashSet};

use super::{Guarded, Numbers, host};
use crate::{endpoints::EndpointSpec, serve::status::Mode};

/// One workload with its numbers.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) guarded: Arc<Guarded>,
    /// Its endpoint id.
    pub(super) id: u32,
    pub(super) identity: u32,
    /// Flags of its table entry.
    pub(super) flags: u32,
}

impl Member {
    /// The addresses that mean it; the host's are not a workload's.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &IpAddr> {
        let own = (!self.guarded.spec.is_host()).then_some(&self.guarded.addresses);
        own.into_iter().flat_map(|addresses| addresses.iter())
    }
}

impl Moved {
    /// Whether anything is.
    pub(super) fn is_any(&self) -> bool {
        self.reordered || !self.devices.is_empty()
    }
}

/// The workloads of one label set.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) labels: Labels,
    /// All named ports that any of them has.
    pub(super) ports: NamedPorts,
    /// Theirs.
    pub(super) devices: BTreeSet<u32>,
}

/// What following new inputs has changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// Devices whose workload came, went or is described otherwise.
    pub(super) devices: BTreeSet<u32>,
    /// Addresses that may be somebody else's.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Whether they come in another order.
    pub(super) reordered: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    members: HashMap<u32, Member>,
    /// Devices in the order of the inputs: of two workloads with one address the later one has it.
    order: Vec<u32>,
    groups: BTreeMap<u32, Group>,
    /// The workloads that have an address; nearly always one.
    holders: HashMap<IpAddr, Vec<u32>>,
    /// Addresses that several have.
    shared: BTreeSet<IpAddr>,
}

impl Members {
    /// Goes on to these workloads.
    pub(super) fn follow(&mut self, endpoints: &[Guarded], numbers: &mut Numbers) -> Moved {
        let mut moved = Moved::default();
        let order: Vec<u32> = endpoints.iter().map(|guarded| guarded.ifindex).collect();
        if order != self.order {
            moved.reordered = true;
            let stay: HashSet<u32> = order.iter().copied().collect();
            let gone = self.order.iter().filter(|ifindex| !stay.contains(*ifindex));
            for ifindex in gone.copied().collect::<Vec<_>>() {
                self.remove(ifindex, &mut moved);
            }
            self.order = order;
        }
        for guarded in endpoints {
            let known = self.members.get(&guarded.ifindex);
            if known.is_none_or(|known| *known.guarded != *guarded) {
                self.put(guarded, numbers, &mut moved);
            }
        }
        moved
    }

    /// The workload of a device.
    pub(super) fn get(&self, ifindex: u32) -> Option<&Member> {
        self.members.get(&ifindex)
    }

    /// The workload that has an address, unless several share it: then one of them.
    pub(super) fn holder(&self, address: &IpAddr) -> Option<&Member> {
        self.members.get(self.holders.get(address)?.last()?)
    }

    /// Whether an address is several workloads', so that their order decides.
    pub(super) fn shares_addresses(&self) -> bool {
        !self.shared.is_empty()
    }

    /// The workloads in the order of the inputs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Member)> {
        let known = |ifindex: &u32| Some((*ifindex, self.members.get(ifindex)?));
        self.order.iter().filter_map(known)
    }

    /// The identities in use.
    pub(super) const fn groups(&self) -> &BTreeMap<u32, Group> {
        &self.groups
    }

    fn put(&mut self, guarded: &Guarded, numbers: &mut Numbers, moved: &mut Moved) {
        self.remove(guarded.ifindex, moved);
        moved.devices.insert(guarded.ifindex);
        let labels = &guarded.spec.labels;
        let identity = host::identity(numbers, &guarded.spec);
        let member = Member {
            guarded: Arc::new(guarded.clone()),
            id: host::endpoint(numbers, &guarded.spec),
            identity,
            flags: flags(&guarded.spec),
        };
        let group = self.groups.entry(identity).or_insert_with(|| Group {
            labels: labels.clone(),
            ports: NamedPorts::default(),
            devices: BTreeSet::new(),
        });
        group.devices.insert(guarded.ifindex);
        group.ports.merge(&guarded.spec.ports);
        for address in member.addresses() {
            moved.addresses.insert(*address);
            let holders = self.holders.entry(*address).or_default();
            holders.push(guarded.ifindex);
            if holders.len() > 1 {
                self.shared.insert(*address);
            }
        }
        self.members.insert(guarded.ifindex, member);
    }

    fn remove(&mut self, ifindex: u32, moved: &mut Moved) {
        let Some(member) = self.members.remove(&ifindex) else {
            return;
        };
        moved.devices.insert(ifindex);
        for address in member.addresses() {
            moved.addresses.insert(*address);
            let Some(holders) = self.holders.get_mut(address) else {
                continue;
            };
            holders.retain(|holder| *holder != ifindex);
            if holders.len() < 2 {
                self.shared.remove(address);
            }
            if holders.is_empty() {
                self.holders.remove(address);
            }
        }
        let Some(group) = self.groups.get_mut(&member.identity) else {
            return;
        };
        group.devices.remove(&ifindex);
        if group.devices.is_empty() {
            self.groups.remove(&member.identity);
        } else if !member.guarded.spec.ports.is_empty() {
            let mut ports = NamedPorts::default();
            for other in group
                .devices
                .iter()
                .filter_map(|other| self.members.get(other))
            {
                ports.merge(&other.guarded.spec.ports);
            }
            group.ports = ports;
        }
    }
}

fn flags(spec: &EndpointSpec) -> u32 {
    let mode = match spec.mode {
        Mode::Enforce => 0,
        Mode::Audit => EndpointFlags::AUDIT,
        Mode::Off => EndpointFlags::OFF,
    };
    let source = if spec.check_source {
        EndpointFlags::CHECK_SOURCE
    } else {
        0
    };
    mode | source | host::flag(spec)
}
