//! What the compiler knows of everyone a workload can talk to: identities and CIDR classes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    cidr::ClassIndex,
    labels::{Label, Labels},
    named_ports::NamedPorts,
    selections::{Selection, Selections},
    selector::{Requirement, Selector},
    uses::{Changes, Uses},
};

/// The reserved identities and the names of their `reserved:` labels.
pub const RESERVED_IDENTITIES: [(u32, &[&str]); 8] = [
    (1, &["host"]),
    (2, &["world"]),
    (3, &["unmanaged"]),
    (4, &["health"]),
    (5, &["init"]),
    (6, &["remote-node"]),
    (7, &["kube-apiserver", "remote-node"]),
    (8, &["ingress"]),
];

/// A selector no policy has used in this many compilations' worth of others is forgotten.
const MAX_SELECTIONS: usize = 65_536;

/// Addresses of workloads and nodes under one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodClass {
    /// The longest prefix of [`pod_prefixes`](crate::cidr::pod_prefixes) the addresses lie in.
    pub prefix: IpNet,
    /// The identity that has them; `None` for all of them. Where a policy
    /// [passes](crate::PolicySet::passes), a class without an owner is denied everything: what its
    /// owner's labels may do is not known.
    pub owner: Option<u32>,
}

/// Identities with their labels, CIDR classes with their prefixes.
///
/// A world address has the identity `world` and the class of the longest configured prefix that
/// contains it (0 for none). A workload has its own identity, and the pod class of the longest
/// `ipBlock` prefix that contains its address (0 for none). Remembers what each
/// selector selects, and keeps that up to date as identities come and go.
#[derive(Clone, Debug, Default)]
pub struct World {
    identities: BTreeMap<u32, Labels>,
    classes: BTreeMap<u32, IpNet>,
    class_index: ClassIndex,
    pod_classes: BTreeMap<u32, PodClass>,
    pod_class_index: ClassIndex,
    named_ports: BTreeMap<u32, NamedPorts>,
    by_label: HashMap<Label, BTreeSet<u32>>,
    by_labels: HashMap<Labels, u32>,
    selections: Selections,
    uses: Uses,
    changes: Changes,
}

impl World {
    /// A world of the reserved identities only.
    pub fn new() -> Self {
        let mut world = Self::default();
        for (identity, names) in RESERVED_IDENTITIES {
            world.insert(identity, Labels::reserved(names));
        }
        world
    }

    /// The identities and their labels.
    pub const fn identities(&self) -> &BTreeMap<u32, Labels> {
        &self.identities
    }

    /// The CIDR classes and their prefixes.
    pub const fn classes(&self) -> &BTreeMap<u32, IpNet> {
        &self.classes
    }

    /// Adds an identity, or gives it other labels.
    pub fn insert(&mut self, identity: u32, labels: Labels) {
        if self.identities.get(&identity) == Some(&labels) {
            return;
        }
        self.remove(identity);
        for label in labels.iter() {
            self.by_label
                .entry(label.clone())
                .or_default()
                .insert(identity);
        }
        let changed = self.selections.insert(identity, &labels);
        self.changes.selections.extend(changed);
        self.by_labels.insert(labels.clone(), identity);
        self.identities.insert(identity, labels);
    }

    /// Forgets an identity; returns its labels.
    pub fn remove(&mut self, identity: u32) -> Option<Labels> {
        let labels = self.identities.get(&identity)?.clone();
        self.set_named_ports(identity, NamedPorts::default());
        if self.by_labels.get(&labels) == Some(&identity) {
            self.by_labels.remove(&labels);
        }
        for label in labels.iter() {
            if let Some(carriers) = self.by_label.get_mut(label) {
                carriers.remove(&identity);
                if carriers.is_empty() {
                    self.by_label.remove(label);
                }
            }
        }
        let changed = self.selections.remove(identity, &labels);
        self.changes.selections.extend(changed);
        self.identities.remove(&identity);
        Some(labels)
    }

    /// Replaces the CIDR classes: at least one for every prefix in
    /// [`prefixes`](crate::cidr::prefixes) of the policies compiled against this world.
    pub fn set_classes(&mut self, classes: BTreeMap<u32, IpNet>) {
        if classes == self.classes {
            return;
        }
        self.changes
            .classes(&self.classes, &classes, |prefix| *prefix);
        self.class_index = ClassIndex::new(classes.iter().map(|(&class, &prefix)| (prefix, class)));
        self.classes = classes;
    }

    /// The classes of workloads and nodes, by their addresses.
    pub const fn pod_classes(&self) -> &BTreeMap<u32, PodClass> {
        &self.pod_classes
    }

    /// Replaces the pod classes: one for every prefix in
    /// [`pod_prefixes`](crate::cidr::pod_prefixes), or, where a policy
    /// [passes](crate::PolicySet::passes), one for every identity with addresses in it. Their numbers differ from those of the CIDR
    /// classes, although the prefixes are the same: a CIDR of a Cilium policy must not mean a
    /// workload. An `ipBlock` whose prefix has no pod class means no workload.
    pub fn set_pod_classes(&mut self, classes: BTreeMap<u32, PodClass>) {
        if classes == self.pod_classes {
            return;
        }
        self.changes
            .classes(&self.pod_classes, &classes, |class| class.prefix);
        self.pod_class_index = ClassIndex::new(
            classes
                .iter()
                .map(|(&number, class)| (class.prefix, number)),
        );
        self.pod_classes = classes;
    }

    pub(crate) const fn class_index(&self) -> &ClassIndex {
        &self.class_index
    }

    pub(crate) const fn pod_class_index(&self) -> &ClassIndex {
        &self.pod_class_index
    }

    /// Gives the workloads of an identity named ports: all that any of them has. Forgotten with the
    /// identity, and when it gets other labels.
    pub fn set_named_ports(&mut self, identity: u32, ports: NamedPorts) {
        let known = self.named_ports.get(&identity);
        if ports.is_empty() || !self.identities.contains_key(&identity) {
            if known.is_some() {
                self.changes.ports.insert(identity);
                self.named_ports.remove(&identity);
            }
        } else if known != Some(&ports) {
            self.changes.ports.insert(identity);
            self.named_ports.insert(identity, ports);
        }
    }

    /// The identities that have named ports.
    pub const fn named_ports(&self) -> &BTreeMap<u32, NamedPorts> {
        &self.named_ports
    }

    /// The named ports of the identity with these labels.
    pub fn named_ports_of(&self, labels: &Labels) -> Option<&NamedPorts> {
        self.named_ports.get(self.by_labels.get(labels)?)
    }

    /// What changed since it was asked last.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// What the last compilation looked at: while none of it changes, it would come to the same.
    pub fn take_uses(&mut self) -> Uses {
        std::mem::take(&mut self.uses)
    }

    pub(crate) const fn uses(&mut self) -> &mut Uses {
        &mut self.uses
    }

    /// The identities `selector` selects.
    pub(crate) fn select(&mut self, selector: &Selector) -> Selection {
        if let Some((number, selection)) = self.selections.get(selector) {
            self.uses.selections.insert(number);
            return selection;
        }
        let selection: Selection = Arc::new(match self.candidates(selector) {
            Some(candidates) => self.matching(selector, candidates.into_iter()),
            None => self.matching(selector, self.identities.keys().copied()),
        });
        if self.selections.len() >= MAX_SELECTIONS {
            self.selections.clear();
            self.changes.everything = true;
        }
        let number = self.selections.keep(selector, &selection);
        self.uses.selections.insert(number);
        selection
    }

    fn matching(
        &self,
        selector: &Selector,
        candidates: impl Iterator<Item = u32>,
    ) -> BTreeSet<u32> {
        candidates
            .filter(|identity| {
                self.identities
                    .get(identity)
                    .is_some_and(|labels| selector.matches(labels))
            })
            .collect()
    }

    /// The carriers of the rarest label the selector insists on, when it insists on one whose
    /// source is known.
    fn candidates(&self, selector: &Selector) -> Option<BTreeSet<u32>> {
        let nobody = BTreeSet::new();
        selector
            .requirements()
            .filter_map(|requirement| match requirement {
                Requirement::In(key, values) => Some((key.source.as_deref()?, &key.name, values)),
                Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::DoesNotExist(_) => {
                    None
                }
            })
            .map(|(source, name, values)| {
                values
                    .iter()
                    .map(|value| {
                        let label = Label::new(source, name, value);
                        self.by_label.get(&label).unwrap_or(&nobody)
                    })
                    .collect::<Vec<_>>()
            })
            .min_by_key(|carriers| carriers.iter().map(|set| set.len()).sum::<usize>())
            .map(|carriers| carriers.into_iter().flatten().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{labels::for_endpoint, selector::Key};

    fn world() -> World {
        let mut world = World::new();
        world.insert(256, for_endpoint("shop", [("app", "web")]).unwrap());
        world.insert(257, for_endpoint("shop", [("app", "api")]).unwrap());
        world
    }

    fn web() -> Selector {
        [Requirement::equals(Key::of("k8s", "app"), "web")]
            .into_iter()
            .collect()
    }

    #[test]
    fn selects_by_known_and_by_any_source() {
        let mut world = world();
        let any: Selector = [Requirement::equals(Key::any("app"), "web")]
            .into_iter()
            .collect();
        assert_eq!(*world.select(&web()), BTreeSet::from([256]));
        assert_eq!(*world.select(&any), BTreeSet::from([256]));
        assert_eq!(world.select(&Selector::default()).len(), 10);
    }

    #[test]
    fn a_remembered_selection_follows_the_identities() {
        let mut world = world();
        assert_eq!(*world.select(&web()), BTreeSet::from([256]));
        world.insert(258, for_endpoint("bank", [("app", "web")]).unwrap());
        assert_eq!(*world.select(&web()), BTreeSet::from([256, 258]));
        world.insert(256, for_endpoint("shop", [("app", "old")]).unwrap());
        world.remove(257);
        assert_eq!(*world.select(&web()), BTreeSet::from([258]));
        let mut fresh = World::new();
        for (&identity, labels) in world.identities() {
            fresh.insert(identity, labels.clone());
        }
        assert_eq!(world.select(&web()), fresh.select(&web()));
    }

    #[test]
    fn named_ports_go_with_the_labels_they_came_with() {
        let mut world = world();
        let web = world.identities()[&256].clone();
        let ports: NamedPorts = [(6, "http", 80)].into_iter().collect();
        world.set_named_ports(256, ports.clone());
        world.set_named_ports(999, ports.clone());
        assert_eq!(world.named_ports_of(&web), Some(&ports));
        assert!(!world.named_ports().contains_key(&999));
        world.insert(256, for_endpoint("shop", [("app", "old")]).unwrap());
        assert_eq!(world.named_ports_of(&web), None);
        assert!(world.named_ports().is_empty());
    }

    #[test]
    fn nobody_carries_an_unknown_label() {
        let none: Selector = [Requirement::equals(Key::of("k8s", "app"), "none")]
            .into_iter()
            .collect();
        assert!(world().select(&none).is_empty());
    }
}
