//! All policies in force, arranged so that an endpoint finds its own quickly.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    cidr,
    labels::NAMESPACE_KEY,
    object::{CidrGroup, Policy, PolicyRef, Spec},
    parse::Contents,
    resolve::Objects,
    subject::Subject,
};

/// Policies in a fixed order, with their specs by the namespace of their subjects.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    /// Places of the specs that select subjects of one namespace only.
    by_namespace: BTreeMap<String, Vec<Place>>,
    /// Places of the specs whose subjects may be anywhere.
    anywhere: Vec<Place>,
    options: Options,
}

/// What holds whatever the policies say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the host reaches its workloads unless a rule denies it, as health checks of a cluster
    /// expect.
    pub allow_localhost: bool,
}

/// Positions of a policy and of a spec in it.
type Place = (usize, usize);

impl PolicySet {
    /// The set of `policies`, whatever order they come in, without other objects to name.
    pub fn new(policies: Vec<Policy>) -> Self {
        Self::with_groups(policies, &[])
    }

    /// The set of `policies`, with the addresses of `groups` where policies name a group. A group
    /// that is not there has no addresses; the policy that names it says so in its warnings.
    pub fn with_groups(policies: Vec<Policy>, groups: &[CidrGroup]) -> Self {
        Self::resolved(
            policies,
            &Objects {
                groups: groups.iter().collect(),
                services: Vec::new(),
                addresses: Vec::new(),
            },
        )
    }

    /// The set of all policies in these files, with their groups and services in the place of
    /// their names. A service that is not there allows nobody and denies everybody; the policy that
    /// names it says so in its warnings.
    pub fn assemble(contents: &[Contents]) -> Self {
        let policies = contents
            .iter()
            .flat_map(|file| &file.policies)
            .cloned()
            .collect();
        Self::resolved(policies, &Objects::of(contents))
    }

    fn resolved(mut policies: Vec<Policy>, objects: &Objects<'_>) -> Self {
        for policy in &mut policies {
            objects.resolve(policy);
        }
        policies.sort_by(|a, b| a.reference.cmp(&b.reference));
        let mut set = Self::default();
        for (position, policy) in policies.iter().enumerate() {
            for (index, spec) in policy.specs.iter().enumerate() {
                let place = (position, index);
                match spec.subject.selector().only_values(NAMESPACE_KEY) {
                    None => set.anywhere.push(place),
                    Some(namespaces) => {
                        for namespace in namespaces {
                            set.by_namespace
                                .entry(namespace.clone())
                                .or_default()
                                .push(place);
                        }
                    }
                }
            }
        }
        set.policies = policies;
        set
    }

    /// The same policies, where this holds besides them.
    #[must_use]
    pub const fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What holds besides the policies.
    pub const fn options(&self) -> Options {
        self.options
    }

    /// The policies in order.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Every prefix that must become a CIDR class; see [`cidr::prefixes`].
    pub fn prefixes(&self) -> BTreeSet<IpNet> {
        cidr::prefixes(&self.policies)
    }

    /// The prefixes that also mean workloads; see [`cidr::pod_prefixes`].
    pub fn pod_prefixes(&self) -> BTreeSet<IpNet> {
        cidr::pod_prefixes(&self.policies)
    }

    /// The specs that select `subject`.
    pub fn selecting(&self, subject: Subject<'_>) -> Vec<(&Arc<PolicyRef>, &Spec)> {
        let own = subject
            .labels()
            .values(None, NAMESPACE_KEY)
            .filter_map(|namespace| self.by_namespace.get(namespace))
            .flatten();
        let places: BTreeSet<&Place> = self.anywhere.iter().chain(own).collect();
        places
            .into_iter()
            .filter_map(|&(position, index)| {
                let policy = self.policies.get(position)?;
                let spec = policy.specs.get(index)?;
                spec.subject
                    .matches(subject)
                    .then_some((&policy.reference, spec))
            })
            .collect()
    }
}

impl FromIterator<Policy> for PolicySet {
    fn from_iter<I: IntoIterator<Item = Policy>>(policies: I) -> Self {
        Self::new(policies.into_iter().collect())
    }
}
