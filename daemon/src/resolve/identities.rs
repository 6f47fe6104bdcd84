//! The identities and CIDR classes in use, and those that were in use a moment ago.
//!
//! A table is never empty of what another table still refers to: policies are compiled for the
//! identities and classes of both the last plan and the next one, so that the peers can be changed
//! afterwards without a packet meeting a policy that does not know its peer.

use std::collections::{BTreeMap, BTreeSet};

use flowd_policy::{NamedPorts, PodClass, World};
use ipnet::IpNet;

use super::members::Group;

/// What the compiler sees, kept up to date.
#[derive(Clone, Debug)]
pub struct Identities {
    world: World,
    /// Of the last plan.
    last: (BTreeSet<u32>, Classes),
    /// Of the plan being made.
    next: (BTreeSet<u32>, Classes),
    /// Identities of the plan before the last one may still be there.
    unsettled: bool,
}

/// Address blocks by the number of their class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Of addresses outside.
    pub world: BTreeMap<u32, IpNet>,
    /// Of workloads and nodes by their address.
    pub pods: BTreeMap<u32, PodClass>,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            world: World::new(),
            last: Default::default(),
            next: Default::default(),
            unsettled: false,
        }
    }
}

impl Identities {
    /// Moves on to the identities of the next plan, beside which those of the last one stay.
    pub(super) fn follow(&mut self, groups: &BTreeMap<u32, Group>, changed: bool) {
        if !changed && !self.unsettled {
            return;
        }
        self.unsettled = false;
        let known: Vec<u32> = self.world.identities().keys().copied().collect();
        for identity in known {
            let reserved = identity < 256;
            if !reserved && !groups.contains_key(&identity) && !self.last.0.contains(&identity) {
                self.world.remove(identity);
            }
        }
        let none = NamedPorts::default();
        for (identity, group) in groups {
            if self.world.identities().get(identity) != Some(&group.labels) {
                self.world.insert(*identity, group.labels.clone());
            }
            if self.world.named_ports().get(identity).unwrap_or(&none) != &group.ports {
                self.world.set_named_ports(*identity, group.ports.clone());
            }
        }
        self.next.0 = groups.keys().copied().collect();
    }

    /// Moves on to the classes of the next plan, beside which those of the last one stay.
    pub(super) fn follow_classes(&mut self, classes: Option<Classes>) {
        if let Some(classes) = classes {
            self.next.1 = classes;
        }
        let (last, next) = (&self.last.1, &self.next.1);
        self.world.set_classes(both(&last.world, &next.world));
        self.world.set_pod_classes(both(&last.pods, &next.pods));
    }

    /// The plan is made: what it does not have may go when the one after it is made.
    pub(super) fn settle(&mut self) {
        if self.last.0 != self.next.0 {
            self.last.0.clone_from(&self.next.0);
            self.unsettled = true;
        }
        if self.last.1 != self.next.1 {
            self.last.1 = self.next.1.clone();
        }
    }

    /// What the compiler sees.
    pub const fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// The classes of the plan being made.
    pub const fn classes(&self) -> &Classes {
        &self.next.1
    }
}

fn both<T: Copy>(last: &BTreeMap<u32, T>, next: &BTreeMap<u32, T>) -> BTreeMap<u32, T> {
    last.iter()
        .chain(next)
        .map(|(number, class)| (*number, *class))
        .collect()
}
