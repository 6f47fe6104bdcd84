//! The identities and CIDR classes in use, and those that were in use a moment ago.
//!
//! A table is never empty of what another table still refers to: policies are compiled for the
//! identities and classes of both the last plan and the next one, so that the peers can be changed
//! afterwards without a packet meeting a policy that does not know its peer.

use std::collections::{BTreeMap, BTreeSet};

use flowd_policy::{Labels, NamedPorts, World};
use ipnet::IpNet;

/// What the compiler sees, kept up to date.
#[derive(Clone, Debug)]
pub struct Identities {
    world: World,
    in_use: BTreeSet<u32>,
    classes: Classes,
}

/// Address blocks by the number of their class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Of addresses outside.
    pub world: BTreeMap<u32, IpNet>,
    /// Of workloads and nodes by their address.
    pub pods: BTreeMap<u32, IpNet>,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            world: World::new(),
            in_use: BTreeSet::new(),
            classes: Classes::default(),
        }
    }
}

impl Identities {
    /// Moves on to the identities and classes of the next plan; those of the last one stay until
    /// the one after.
    pub fn follow(&mut self, wanted: &BTreeMap<u32, (Labels, NamedPorts)>, classes: Classes) {
        let known: Vec<u32> = self.world.identities().keys().copied().collect();
        for identity in known {
            let reserved = identity < 256;
            if !reserved && !wanted.contains_key(&identity) && !self.in_use.contains(&identity) {
                self.world.remove(identity);
            }
        }
        for (identity, (labels, ports)) in wanted {
            self.world.insert(*identity, labels.clone());
            self.world.set_named_ports(*identity, ports.clone());
        }
        self.in_use = wanted.keys().copied().collect();
        self.world
            .set_classes(both(&self.classes.world, &classes.world));
        self.world
            .set_pod_classes(both(&self.classes.pods, &classes.pods));
        self.classes = classes;
    }

    /// What the compiler sees.
    pub const fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// The classes of the plan.
    pub const fn classes(&self) -> &Classes {
        &self.classes
    }
}

fn both(last: &BTreeMap<u32, IpNet>, next: &BTreeMap<u32, IpNet>) -> BTreeMap<u32, IpNet> {
    last.iter()
        .chain(next)
        .map(|(class, prefix)| (*class, *prefix))
        .collect()
}
