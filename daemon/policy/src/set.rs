//! All policies in force, arranged so that an endpoint finds its own quickly.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    cidr,
    diagnostic::Diagnostic,
    labels::NAMESPACE_KEY,
    object::{CidrGroup, PeerSelector, Peers, Policy, Spec},
    parse::Contents,
    reference::{Effect, PolicyRef, Tier, Turn},
    resolve::Objects,
    subject::Subject,
};

/// Policies in a fixed order, with their specs by the namespace of their subjects; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    arranged: Arc<Arranged>,
    options: Options,
}

#[derive(Debug, Default)]
struct Arranged {
    policies: Vec<Arc<Policy>>,
    prefixes: BTreeSet<IpNet>,
    pod_prefixes: BTreeSet<IpNet>,
    passes: bool,
    /// Places of the specs that select subjects of one namespace only.
    by_namespace: BTreeMap<String, Vec<Place>>,
    /// Places of the specs whose subjects may be anywhere.
    anywhere: Vec<Place>,
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
    pub fn new(policies: impl IntoIterator<Item: Into<Arc<Policy>>>) -> Self {
        Self::with_groups(policies, &[])
    }

    /// The set of `policies`, with the addresses of `groups` where policies name a group. A group
    /// that is not there has no addresses; the policy that names it says so in its warnings.
    pub fn with_groups(
        policies: impl IntoIterator<Item: Into<Arc<Policy>>>,
        groups: &[CidrGroup],
    ) -> Self {
        Self::resolved(
            policies.into_iter().map(Into::into).collect(),
            &Objects {
                groups: groups.iter().collect(),
                services: Vec::new(),
                addresses: Vec::new(),
            },
        )
    }

    /// The set of the enforced policies in these files, with their groups and services in the place
    /// of their names. A service that is not there allows nobody and denies everybody; the policy
    /// that names it says so in its warnings. Shadow policies are left out.
    pub fn assemble(contents: &[Contents]) -> Self {
        Self::some_of(contents, |policy| !policy.shadow)
    }

    /// The shadow policies of these files alone.
    pub fn assemble_shadow(contents: &[Contents]) -> Self {
        Self::some_of(contents, |policy| policy.shadow)
    }

    /// The set that would be enforced were the shadow policies enforced too: one of them takes the
    /// place of the enforced policy of the same kind, namespace and name.
    pub fn assemble_as_if(contents: &[Contents]) -> Self {
        let shadows = contents.iter().flat_map(|file| &file.policies);
        let replaced: BTreeSet<String> = shadows
            .filter(|policy| policy.shadow)
            .map(|policy| policy.reference.to_string())
            .collect();
        Self::some_of(contents, |policy| {
            policy.shadow || !replaced.contains(&policy.reference.to_string())
        })
    }

    fn some_of(contents: &[Contents], wanted: impl Fn(&Policy) -> bool) -> Self {
        let policies = contents.iter().flat_map(|file| &file.policies);
        let policies = policies.filter(|policy| wanted(policy)).cloned().collect();
        Self::resolved(policies, &Objects::of(contents))
    }

    fn resolved(mut policies: Vec<Arc<Policy>>, objects: &Objects<'_>) -> Self {
        for policy in &mut policies {
            if names_objects(policy) {
                objects.resolve(Arc::make_mut(policy));
            }
        }
        policies.sort_by(|a, b| a.reference.cmp(&b.reference));
        warn_of_ties(&mut policies);
        let all = || policies.iter().map(AsRef::as_ref);
        let mut set = Arranged {
            prefixes: cidr::prefixes(all()),
            pod_prefixes: cidr::pod_prefixes(all()),
            passes: all().any(passes),
            ..Arranged::default()
        };
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
        Self {
            arranged: Arc::new(set),
            options: Options::default(),
        }
    }

    /// Whether any rule leaves the decision to the next tier; [`PodClass`](crate::PodClass)es need
    /// owners then.
    pub fn passes(&self) -> bool {
        self.arranged.passes
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
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> + Clone {
        self.arranged.policies.iter().map(AsRef::as_ref)
    }

    /// The policies in order, to keep.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.arranged.policies.iter()
    }

    /// Every prefix that must become a CIDR class; see [`cidr::prefixes`].
    pub fn prefixes(&self) -> BTreeSet<IpNet> {
        self.arranged.prefixes.clone()
    }

    /// The prefixes that also mean workloads; see [`cidr::pod_prefixes`].
    pub fn pod_prefixes(&self) -> BTreeSet<IpNet> {
        self.arranged.pod_prefixes.clone()
    }

    /// Whether it is the same set, found without a look into it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.arranged, &other.arranged) && self.options == other.options
    }

    /// The policies that are in one of two sets only, or not the same in both. Those that were read
    /// once are not compared.
    pub fn changes<'a>(&'a self, before: &'a Self) -> Vec<&'a Policy> {
        let (mut new, mut old) = (
            self.arranged.policies.iter(),
            before.arranged.policies.iter(),
        );
        let (mut left, mut right) = (new.next(), old.next());
        let mut changes: Vec<&Policy> = Vec::new();
        loop {
            let order = match (left, right) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) if Arc::ptr_eq(left, right) => Ordering::Equal,
                (Some(left), Some(right)) => left.reference.cmp(&right.reference),
            };
            if order.is_eq() && left != right || order.is_lt() {
                changes.extend(left.map(AsRef::as_ref));
            }
            if order.is_eq() && left != right || order.is_gt() {
                changes.extend(right.map(AsRef::as_ref));
            }
            if order.is_le() {
                left = new.next();
            }
            if order.is_ge() {
                right = old.next();
            }
        }
    }

    /// The specs that select `subject`.
    pub fn selecting(&self, subject: Subject<'_>) -> Vec<(&Arc<PolicyRef>, &Spec)> {
        let own = subject
            .labels()
            .values(None, NAMESPACE_KEY)
            .filter_map(|namespace| self.arranged.by_namespace.get(namespace))
            .flatten();
        let places: BTreeSet<&Place> = self.arranged.anywhere.iter().chain(own).collect();
        places
            .into_iter()
            .filter_map(|&(position, index)| {
                let policy = self.arranged.policies.get(position)?;
                let spec = policy.specs.get(index)?;
                spec.subject
                    .matches(subject)
                    .then_some((&policy.reference, spec))
            })
            .collect()
    }
}

/// Policies of one tier and priority are asked in the order of their names; nothing but flowd says
/// so, so their authors are told.
fn warn_of_ties(policies: &mut [Arc<Policy>]) {
    let mut first: BTreeMap<Turn, Arc<PolicyRef>> = BTreeMap::new();
    for policy in policies {
        let reference = &policy.reference;
        match reference.turn.tier {
            Tier::Normal => continue,
            Tier::Admin | Tier::Baseline => {}
        }
        let earlier = first
            .entry(reference.turn)
            .or_insert_with(|| Arc::clone(reference));
        if earlier != reference {
            let (file, line) = (reference.file.clone(), reference.line);
            let earlier = earlier.to_string();
            Arc::make_mut(policy).warnings.push(Diagnostic {
                file,
                line,
                column: 1,
                path: "spec.priority".to_owned(),
                message: format!("{earlier} has the same tier and priority, and is asked first"),
                help: "give each policy of a tier a priority of its own".to_owned(),
            });
        }
    }
}

/// Whether a rule of the policy leaves the decision to the next tier.
fn passes(policy: &Policy) -> bool {
    let mut rules = policy.specs.iter().flat_map(|spec| &spec.rules);
    rules.any(|rule| rule.reference.action == Effect::Pass)
}

/// Whether a policy names groups or services, whose meaning is in other objects.
fn names_objects(policy: &Policy) -> bool {
    let mut rules = policy.specs.iter().flat_map(|spec| &spec.rules);
    rules.any(|rule| match &rule.peers {
        Peers::Any => false,
        Peers::Of(selectors) => selectors.iter().any(|selector| match selector {
            PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => true,
            PeerSelector::Labels(_)
            | PeerSelector::Entity(_)
            | PeerSelector::Cidr(_)
            | PeerSelector::IpBlock(_) => false,
        }),
    })
}

impl<P: Into<Arc<Policy>>> FromIterator<P> for PolicySet {
    fn from_iter<I: IntoIterator<Item = P>>(policies: I) -> Self {
        Self::new(policies)
    }
}
