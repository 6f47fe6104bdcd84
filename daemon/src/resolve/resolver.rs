//! The resolver: endpoints, policies and addresses in, a plan out. A change costs what it touches, and
//! one look at what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use flowd_abi::{Endpoint, Peer, endpoint::EndpointFlags};
use flowd_policy::{CompileError, Labels, PolicySet};

use super::{
    classes, host,
    identities::Identities,
    members::{Member, Members},
    numbers::{Live, Numbers},
    peers::{self, Peers, Transitions},
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
    due: Due,
    plan: Arc<Plan>,
}

/// What has changed since the last plan; kept while none can be made.
#[derive(Debug, Default)]
struct Due {
    /// Devices whose workload came, went or is described otherwise.
    devices: BTreeSet<u32>,
    /// Identities with another policy, or one of another name.
    identities: BTreeSet<u32>,
    /// Addresses that may be somebody else's.
    addresses: BTreeSet<IpAddr>,
    /// Whether what all of the peers are made from has changed.
    peers: bool,
}

/// With more addresses than this to look at, the peers are made anew.
const MAX_ADDRESSES: usize = 1_024;

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
            due: Due {
                peers: true,
                ..Due::default()
            },
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
            due,
            ..
        } = self;
        let (groups, world) = (members.groups(), identities.world());
        subjects.compile(policies, groups, world, numbers, &mut due.identities)?;
        let peers = self.peers();
        self.identities.settle();
        let peers_changed = !Arc::ptr_eq(&peers, &self.plan.peers);
        let transitions = if peers_changed {
            Transitions::between(&self.plan.peers, &peers)
        } else {
            Transitions::default()
        };
        let endpoints = self.endpoints(transitions);
        self.due = Due::default();
        if self.plan.generation != 0 && !peers_changed && endpoints.is_none() {
            return Ok(None);
        }
        self.plan = Arc::new(Plan {
            interim: self.numbers.next_generation(),
            generation: self.numbers.next_generation(),
            peers_changed,
            endpoints: endpoints.unwrap_or_else(|| self.plan.endpoints.clone()),
            peers,
            policies: self.subjects.policies().clone(),
        });
        self.forget();
        Ok(Some(&self.plan))
    }

    /// Goes on to new inputs and marks what they touch.
    fn follow(&mut self, inputs: &Inputs) {
        let moved = self.members.follow(&inputs.endpoints, &mut self.numbers);
        self.due.peers |= moved.reordered && self.members.shares_addresses();
        let moves = moved.is_any();
        self.due.devices.extend(moved.devices);
        self.due.addresses.extend(moved.addresses);
        if self.host != inputs.host {
            self.host.clone_from(&inputs.host);
            self.due.peers = true;
        }
        let groups = self.members.groups();
        self.identities.follow(groups, moves);
        if moves {
            self.subjects.follow(groups);
        }
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
        let moves = moves || self.due.peers;
        let due = changed || (self.policies.passes() && moves);
        let classes =
            due.then(|| classes::of(&self.policies, &self.host, &self.members, &mut self.numbers));
        if let Some(classes) = &classes {
            self.due.peers |= classes != self.identities.classes();
        }
        self.identities.follow_classes(classes);
        let changes = self.identities.world().take_changes();
        self.subjects.mark_world(&changes);
    }

    /// Who addresses are now; the table of the last plan where that is the same.
    fn peers(&self) -> Arc<Peers> {
        let (classes, due) = (self.identities.classes(), &self.due);
        let anew = due.peers
            || due.addresses.len() > MAX_ADDRESSES
            || self.members.shares_addresses() && !due.addresses.is_empty()
            || self.host.iter().any(|own| due.addresses.contains(own));
        if anew {
            let peers = peers::peers(classes, &self.host, &self.members);
            if peers != *self.plan.peers {
                return Arc::new(peers);
            }
            return Arc::clone(&self.plan.peers);
        }
        let moved = peers::moved(&self.plan.peers, classes, &self.members, &due.addresses);
        if moved.is_empty() {
            return Arc::clone(&self.plan.peers);
        }
        let mut peers = Peers::clone(&self.plan.peers);
        for (key, peer) in moved {
            match peer {
                Some(peer) => peers.insert(key, peer),
                None => peers.remove(&key),
            };
        }
        Arc::new(peers)
    }

    /// Every workload with the generation it ought to have; `None` where none differs from the last
    /// plan.
    fn endpoints(&self, mut transitions: Transitions) -> Option<BTreeMap<u32, PlannedEndpoint>> {
        // Both numbers are handed out only if there is a plan.
        let generation = self.numbers.generation_after_next();
        let policies = self.subjects.policies();
        let mut changes = Vec::new();
        for ifindex in self.touched(&mut transitions) {
            let before = self.plan.endpoints.get(&ifindex);
            let planned = self.members.get(ifindex).map(|member| {
                let mut planned = self.planned(member, generation);
                if let Some(before) = before {
                    let last = before.value.generation;
                    let same = Endpoint {
                        generation: last,
                        ..planned.value
                    } == before.value;
                    if same && !transitions.touch(&planned.value, policies) {
                        planned.value.generation = last;
                    }
                }
                planned
            });
            if planned.as_ref() != before {
                changes.push((ifindex, planned));
            }
        }
        if changes.is_empty() {
            return None;
        }
        let is_host = |planned: &Option<PlannedEndpoint>| {
            let value = planned.as_ref().map(|planned| planned.value);
            value.is_some_and(|value| value.has(EndpointFlags::HOST))
        };
        let host = changes.iter().any(|(_, planned)| is_host(planned));
        let mut endpoints = self.plan.endpoints.clone();
        for (ifindex, planned) in changes {
            match planned {
                Some(planned) => endpoints.insert(ifindex, planned),
                None => endpoints.remove(&ifindex),
            };
        }
        if host {
            host::one_generation(&mut endpoints);
        }
        Some(endpoints)
    }

    /// Devices of the workloads that may differ from the last plan.
    fn touched(&self, transitions: &mut Transitions) -> BTreeSet<u32> {
        let mut touched = self.due.devices.clone();
        let nobody = transitions.is_empty();
        for (identity, group) in self.members.groups() {
            let ids = self.subjects.ids(*identity);
            if self.due.identities.contains(identity)
                || !nobody && transitions.touch_policies(ids, self.subjects.policies())
            {
                touched.extend(&group.devices);
            }
        }
        if !nobody {
            let all = self.members.iter();
            let owners = all.filter(|(_, member)| transitions.are_of(member.id));
            touched.extend(owners.map(|(ifindex, _)| ifindex));
        }
        touched
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
