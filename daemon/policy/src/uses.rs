//! What a compilation looked at, and what has changed since: whoever keeps a compiled policy knows by
//! them whether it still holds.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::cidr;

/// What one compilation asked the world.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Numbers of the selections.
    pub(crate) selections: BTreeSet<u32>,
    /// The blocks whose classes were looked for.
    pub(crate) blocks: BTreeSet<IpNet>,
    /// Whether it depends on what peers call their ports.
    pub(crate) names_of_peers: bool,
}

/// What changed in a world.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Numbers of the selections.
    pub(crate) selections: BTreeSet<u32>,
    /// Prefixes that have a class now and had none, or the other way round.
    pub(crate) prefixes: BTreeSet<IpNet>,
    /// Identities whose ports have other names.
    pub(crate) ports: BTreeSet<u32>,
    /// Selections were forgotten: nothing that is kept can be told to hold.
    pub(crate) everything: bool,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        !self.everything
            && self.selections.is_empty()
            && self.prefixes.is_empty()
            && self.ports.is_empty()
    }

    /// Whether the policy of `identity`, whose compilation used `uses`, can be another one now.
    pub fn touch(&self, identity: u32, uses: &Uses) -> bool {
        let among = |block: &IpNet| {
            let mut prefixes = self.prefixes.iter();
            prefixes.any(|prefix| cidr::contains(block, prefix))
        };
        self.everything
            || self.ports.contains(&identity)
            || (uses.names_of_peers && !self.ports.is_empty())
            || !self.selections.is_disjoint(&uses.selections)
            || (!self.prefixes.is_empty() && uses.blocks.iter().any(among))
    }

    pub(crate) fn classes<T: PartialEq>(
        &mut self,
        before: &BTreeMap<u32, T>,
        after: &BTreeMap<u32, T>,
        prefix: fn(&T) -> IpNet,
    ) {
        let only = |these: &BTreeMap<u32, T>, those: &BTreeMap<u32, T>| {
            let missing = |(number, class): &(&u32, &T)| those.get(*number) != Some(*class);
            let prefixes = these.iter().filter(missing).map(|(_, class)| prefix(class));
            prefixes.collect::<Vec<_>>()
        };
        self.prefixes.extend(only(before, after));
        self.prefixes.extend(only(after, before));
    }
}
