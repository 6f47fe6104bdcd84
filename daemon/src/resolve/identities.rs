//! The identities and CIDR classes in use, and those that were in use a moment ago.
//!
//! A table is never empty of what another table still refers to: policies are compiled for the
//! identities and classes of both the last plan and the next one, so that the peers can be changed
//! afterwards without a packet meeting a policy that does not know its peer.

use std::collections::{BTreeMap, BTreeSet};

use flowd_policy::{Labels, World};
use ipnet::IpNet;

/// What the compiler sees, kept up to date.
#[derive(Clone, Debug)]
pub struct Identities {
    world: World,
    in_use: BTreeSet<u32>,
    classes: BTreeMap<u32, IpNet>,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            world: World::new(),
            in_use: BTreeSet::new(),
            classes: BTreeMap::new(),
        }
    }
}

impl Identities {
    /// Moves on to the identities and classes of the next plan; those of the last one stay until
    /// the one after.
    pub fn follow(&mut self, wanted: &BTreeMap<u32, Labels>, classes: BTreeMap<u32, IpNet>) {
        let known: Vec<u32> = self.world.identities().keys().copied().collect();
        for identity in known {
            let reserved = identity < 256;
            if !reserved && !wanted.contains_key(&identity) && !self.in_use.contains(&identity) {
                self.world.remove(identity);
            }
        }
        for (identity, labels) in wanted {
            self.world.insert(*identity, labels.clone());
        }
        self.in_use = wanted.keys().copied().collect();
        let mut both = self.classes.clone();
        both.extend(classes.iter().map(|(class, prefix)| (*class, *prefix)));
        self.world.set_classes(both);
        self.classes = classes;
    }

    /// What the compiler sees.
    pub const fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// The classes of the plan.
    pub const fn classes(&self) -> &BTreeMap<u32, IpNet> {
        &self.classes
    }
}
