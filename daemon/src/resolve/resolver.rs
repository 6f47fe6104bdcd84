//! The resolver: endpoints, policies and addresses in, a plan out. A change costs what it touches, and
//! one look at what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use flowd_abi::{Endpoint, Peer};
use flowd_policy::{CompileError, Labels, PolicySet};

use super::{
    classes, host,
    identities::Identities,
    members::{Member, Members},
    numbers::{Live, Numbers},
    peers::{self, Transitions},
    plan::{Plan, PlannedEndpoint},
    subjects::Subjects,
};
use crate::{endpoints::EndpointSpec, kernel::namespace::Namespace};

/// An endpoint whose device was found; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// What its file says.
    pub spec: Arc<EndpointSpec>,
    /// Its device.
    pub device: Arc<str>,
    /// The device's number.
    pub ifindex: u32,
    /// Its addresses.
    pub addresses: Arc<[IpAddr]>,
    /// Its network namespace, where it is known.
    pub namespace: Option<Namespace>,
}

/// What a plan is made from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Endpoints whose device was found.
    pub endpoints: Vec<Guarded>,
    /// The policies in force.
    pub policies: PolicySet,
    /// The host's own addresses.
    pub host: Vec<IpAddr>,
}

/// Makes plans, each from the one before.
#[derive(Debug)]
pub struct Resolver {
    numbers: Numbers,
    members: Members,
    identities: Identities,
    subjects: Subjects,
    policies: PolicySet,
    host: Vec<IpAddr>,
    /// What peers are made from has changed since they were made.
    peers_due: bool,
    plan: Arc<Plan>,
}

impl Resolver {
    /// A resolver that goes on with these numbers.
    pub fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            members: Members::default(),
            identities: Identities::default(),
            subjects: Subjects::default(),
            policies: PolicySet::default(),
            host: Vec::new(),
            peers_due: true,
            plan: Arc::default(),
        }
    }

    /// The same, on a node with these labels.
    #[must_use]
    pub fn on_node(mut self, labels: &Labels) -> Self {
        let world = self.identities.world();
        world.insert(Peer::HOST_IDENTITY, labels.clone());
        self
    }

    /// The numbers handed out so far.
    pub const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The last plan.
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Makes the next plan; `None` when it would be the last one again.
    ///
    /// # Errors
    ///
    /// When the policies cannot be compiled; the last plan stays.
    pub fn resolve(&mut self, inputs: &Inputs) -> Result<Option<&Arc<Plan>>, CompileError> {
        self.follow(inputs);
        let Self {
            numbers,
            members,
            identities,
            subjects,
            policies,
            ..
        } = self;
        subjects.compile(policies, members.groups(), identities.world(), numbers)?;
        let peers = if self.peers_due {
            let peers = peers::peers(self.identities.classes(), &self.host, &self.members);
            if peers == *self.plan.peers {
                Arc::clone(&self.plan.peers)
            } else {
                Arc::new(peers)
            }
        } else {
            Arc::clone(&self.plan.peers)
        };
        self.peers_due = false;
        self.identities.settle();
        let peers_changed = !Arc::ptr_eq(&peers, &self.plan.peers);
        let transitions = Transitions::between(&self.plan.peers, &peers);
        let (endpoints, changed) = self.endpoints(transitions);
        if self.plan.generation != 0 && !peers_changed && !changed {
            return Ok(None);
        }
        self.plan = Arc::new(Plan {
            interim: self.numbers.next_generation(),
            generation: self.numbers.next_generation(),
            peers_changed,
            endpoints,
            peers,
            policies: self.subjects.policies().clone(),
        });
        self.forget();
        Ok(Some(&self.plan))
    }

    /// Goes on to new inputs and marks what they touch.
    fn follow(&mut self, inputs: &Inputs) {
        self.peers_due |= self.members.follow(&inputs.endpoints, &mut self.numbers);
        if self.host != inputs.host {
            self.host.clone_from(&inputs.host);
            self.peers_due = true;
        }
        let groups = self.members.groups();
        self.identities.follow(groups);
        self.subjects.follow(groups);
        let changed = !inputs.policies.is(&self.policies);
        if changed {
            let changes = inputs.policies.changes(&self.policies);
            self.subjects.mark_policies(&changes, groups);
            if inputs.policies.options() != self.policies.options() {
                self.subjects.mark_all();
            }
            self.policies = inputs.policies.clone();
        }
        // Where a rule passes, classes are those of somebody.
        let due = changed || (self.policies.passes() && self.peers_due);
        let classes =
            due.then(|| classes::of(&self.policies, &self.host, &self.members, &mut self.numbers));
        if let Some(classes) = &classes {
            self.peers_due |= classes != self.identities.classes();
        }
        self.identities.follow_classes(classes);
        let changes = self.identities.world().take_changes();
        self.subjects.mark_world(&changes);
    }

    /// Every workload with the generation it ought to have, and whether anything differs from the
    /// last plan.
    fn endpoints(&self, mut transitions: Transitions) -> (BTreeMap<u32, PlannedEndpoint>, bool) {
        // Both numbers are handed out only if there is a plan.
        let generation = self.numbers.generation_after_next();
        let mut changed = self.plan.endpoints.len() != self.members.iter().count();
        let mut endpoints = Vec::with_capacity(self.plan.endpoints.len());
        for (ifindex, member) in self.members.iter() {
            let mut planned = self.planned(member, generation);
            let before = self.plan.endpoints.get(&ifindex);
            if let Some(before) = before {
                let last = before.value.generation;
                let same = Endpoint {
                    generation: last,
                    ..planned.value
                } == before.value;
                if same && !transitions.touch(&planned.value, self.subjects.policies()) {
                    planned.value.generation = last;
                }
            }
            changed |= before != Some(&planned);
            endpoints.push((ifindex, planned));
        }
        host::one_generation(&mut endpoints);
        (endpoints.into_iter().collect(), changed)
    }

    fn planned(&self, member: &Member, generation: u32) -> PlannedEndpoint {
        let (ingress_policy, egress_policy) = self.subjects.ids(member.identity);
        PlannedEndpoint {
            guarded: Arc::clone(&member.guarded),
            policies: self.subjects.names(member.identity),
            value: Endpoint {
                id: member.id,
                identity: member.identity,
                ingress_policy,
                egress_policy,
                generation,
                flags: member.flags,
            },
        }
    }

    fn forget(&mut self) {
        if !self.numbers.are_many() {
            return;
        }
        let policies = self.plan.policies.values();
        let entries = policies.flat_map(|policy| &policy.compiled.entries);
        let rules: BTreeSet<u32> = entries.map(|entry| entry.value.rule).collect();
        let planned = self.plan.endpoints.values();
        let classes = self.identities.classes();
        let classes = classes.world.keys().chain(classes.pods.keys());
        let live = Live {
            endpoints: planned.clone().map(|planned| planned.value.id).collect(),
            identities: planned.map(|planned| planned.value.identity).collect(),
            classes: classes.copied().collect(),
        };
        let policies = self.plan.policies.keys().copied().collect();
        self.numbers.forget(&live, &policies, &rules);
    }
}
