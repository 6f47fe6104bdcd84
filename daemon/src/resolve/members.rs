//! The guarded workloads by device, with their numbers, and the identities they make up. Remembers the
//! last inputs, so that only what is new among the next ones is looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flowd_abi::endpoint::EndpointFlags;
use flowd_policy::{Labels, NamedPorts};
use hashbrown::HashMap;

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

/// The workloads of one label set.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) labels: Labels,
    /// All named ports that any of them has.
    pub(super) ports: NamedPorts,
    devices: BTreeSet<u32>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    members: HashMap<u32, Member>,
    /// Devices in the order of the inputs: of two workloads with one address the later one has it.
    order: Vec<u32>,
    groups: BTreeMap<u32, Group>,
}

impl Members {
    /// Goes on to these workloads; whether anything changed.
    pub(super) fn follow(&mut self, endpoints: &[Guarded], numbers: &mut Numbers) -> bool {
        let order: Vec<u32> = endpoints.iter().map(|guarded| guarded.ifindex).collect();
        let mut changed = order != self.order;
        if changed {
            let stay: BTreeSet<u32> = order.iter().copied().collect();
            let gone = self.order.iter().filter(|ifindex| !stay.contains(ifindex));
            for ifindex in gone.copied().collect::<Vec<_>>() {
                self.remove(ifindex);
            }
            self.order = order;
        }
        for guarded in endpoints {
            let known = self.members.get(&guarded.ifindex);
            if known.is_none_or(|known| *known.guarded != *guarded) {
                self.put(guarded, numbers);
                changed = true;
            }
        }
        changed
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

    fn put(&mut self, guarded: &Guarded, numbers: &mut Numbers) {
        self.remove(guarded.ifindex);
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
        self.members.insert(guarded.ifindex, member);
    }

    fn remove(&mut self, ifindex: u32) {
        let Some(member) = self.members.remove(&ifindex) else {
            return;
        };
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
