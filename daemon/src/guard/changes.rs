//! What changed between two looks, for the timeline.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use flowd_abi::Endpoint;
use flowd_policy::{Contents, Policy, PolicySet};

use crate::{
    clock,
    flow::{
        Timeline,
        happening::{
            AddressFacts, Change, EndpointFacts, EnforcedFacts, GenerationFacts, Happening,
            PolicyFacts, ServiceFacts,
        },
    },
    resolve::{Plan, PlannedEndpoint},
};

/// What the timeline was told last, and the timeline.
pub(super) struct Changes {
    timeline: Timeline,
    policies: BTreeMap<String, Arc<Policy>>,
    services: BTreeMap<String, ServiceFacts>,
    service_ids: u32,
    endpoints: BTreeMap<String, EndpointFacts>,
    addresses: BTreeMap<IpAddr, AddressFacts>,
    /// What each workload is judged by: its table entry less the generation, and why it is not.
    enforced: BTreeMap<String, (Endpoint, String)>,
    generation: GenerationFacts,
}

impl Changes {
    pub(super) fn new(timeline: Timeline) -> Self {
        Self {
            timeline,
            policies: BTreeMap::new(),
            services: BTreeMap::new(),
            service_ids: 0,
            endpoints: BTreeMap::new(),
            addresses: BTreeMap::new(),
            enforced: BTreeMap::new(),
            generation: GenerationFacts::default(),
        }
    }

    pub(super) fn tell(&self, what: Happening) {
        let now = clock::now();
        self.timeline.tell(now, what);
    }

    /// Tells what became of policies, taken in by `generation`.
    pub(super) fn policies(&mut self, set: &PolicySet, generation: u32) {
        let mut gone = std::mem::take(&mut self.policies);
        for policy in set.shared() {
            let name = policy.reference.to_string();
            let change = match gone.remove(&name) {
                None => Some(Change::Added),
                Some(known) if known != *policy => Some(Change::Changed),
                Some(_) => None,
            };
            if let Some(change) = change {
                self.tell(Happening::Policy(change, policy_facts(policy, generation)));
            }
            self.policies.insert(name, Arc::clone(policy));
        }
        for policy in gone.values() {
            let facts = policy_facts(policy, generation);
            self.tell(Happening::Policy(Change::Removed, facts));
        }
    }

    /// Tells what became of services.
    pub(super) fn services<'a>(&mut self, contents: impl Iterator<Item = &'a Contents>) {
        let mut gone = std::mem::take(&mut self.services);
        for (key, mut facts) in services(contents) {
            let change = match gone.remove(&key) {
                None => {
                    self.service_ids += 1;
                    facts.id = self.service_ids;
                    Some(Change::Added)
                }
                Some(known) => {
                    facts.id = known.id;
                    (known != facts).then_some(Change::Changed)
                }
            };
            if let Some(change) = change {
                self.tell(Happening::Service(change, facts.clone()));
            }
            self.services.insert(key, facts);
        }
        for facts in gone.into_values() {
            self.tell(Happening::Service(Change::Removed, facts));
        }
    }

    /// Tells what became of workloads and their addresses.
    pub(super) fn endpoints(&mut self, plan: &Plan) {
        let mut gone = std::mem::take(&mut self.endpoints);
        for planned in plan.each() {
            let (key, mut facts) = (planned.spec.key(), endpoint_facts(planned));
            match gone.remove(&key) {
                None => self.tell(Happening::Endpoint(Change::Added, facts.clone())),
                Some(known) => {
                    facts.changed = differences(&known, &facts);
                    if !facts.changed.is_empty() {
                        self.tell(Happening::Endpoint(Change::Changed, facts.clone()));
                    }
                }
            }
            facts.changed.clear();
            self.endpoints.insert(key, facts);
        }
        for (key, facts) in gone {
            self.enforced.remove(&key);
            self.tell(Happening::Endpoint(Change::Removed, facts));
        }
        self.addresses(plan);
    }

    fn addresses(&mut self, plan: &Plan) {
        let mut gone = std::mem::take(&mut self.addresses);
        for planned in plan.each() {
            for address in planned.addresses.iter() {
                let before = gone.remove(address).and_then(|known| known.identity);
                let facts = AddressFacts {
                    address: *address,
                    identity: Some(planned.value.identity),
                    before,
                    namespace: planned.spec.namespace.clone(),
                    name: planned.spec.name.clone(),
                };
                if before != facts.identity {
                    self.tell(Happening::Address(facts.clone()));
                }
                self.addresses.insert(*address, facts);
            }
        }
        for facts in gone.into_values() {
            self.tell(Happening::Address(AddressFacts {
                before: facts.identity,
                identity: None,
                ..facts
            }));
        }
    }

    /// Tells that a plan is in force, but for the workloads that could not be guarded.
    pub(super) fn enforced(&mut self, plan: &Plan, failed: &BTreeMap<u32, String>) {
        for (ifindex, planned) in &plan.endpoints {
            let error = failed.get(ifindex).cloned().unwrap_or_default();
            // One more generation alone replaces nobody's policies.
            let judged = Endpoint {
                generation: 0,
                ..planned.value
            };
            let now = (judged, error);
            let key = planned.spec.key();
            if self.enforced.get(&key) != Some(&now) {
                self.tell(Happening::Enforced(enforced_facts(planned, &now.1)));
                self.enforced.insert(key, now);
            }
        }
        self.generation(GenerationFacts {
            generation: plan.generation,
            endpoints: plan.endpoints.len(),
            failed: failed.len(),
            error: String::new(),
        });
    }

    /// Tells how a generation fared; the same is told once.
    pub(super) fn generation(&mut self, facts: GenerationFacts) {
        if self.generation != facts {
            self.generation = facts.clone();
            self.tell(Happening::Generation(facts));
        }
    }
}

fn policy_facts(policy: &Policy, generation: u32) -> PolicyFacts {
    let reference = &policy.reference;
    PolicyFacts {
        kind: reference.kind.name().to_owned(),
        namespace: reference.namespace.clone().unwrap_or_default(),
        name: reference.name.clone(),
        labels: reference.labels.iter().map(ToString::to_string).collect(),
        file: reference.file.clone(),
        line: reference.line,
        rules: policy.specs.iter().map(|spec| spec.rules.len()).sum(),
        generation,
    }
}

fn endpoint_facts(planned: &PlannedEndpoint) -> EndpointFacts {
    EndpointFacts {
        id: planned.value.id,
        namespace: planned.spec.namespace.clone(),
        name: planned.spec.name.clone(),
        labels: labels(planned),
        identity: planned.value.identity,
        addresses: planned.addresses.to_vec(),
        interface: planned.device.to_string(),
        mode: planned.spec.mode.name(),
        changed: Vec::new(),
    }
}

fn enforced_facts(planned: &PlannedEndpoint, error: &str) -> EnforcedFacts {
    EnforcedFacts {
        id: planned.value.id,
        namespace: planned.spec.namespace.clone(),
        name: planned.spec.name.clone(),
        labels: labels(planned),
        generation: planned.value.generation,
        mode: planned.spec.mode.name(),
        policies: planned.policies.to_vec(),
        error: error.to_owned(),
    }
}

fn labels(planned: &PlannedEndpoint) -> Vec<String> {
    planned
        .spec
        .labels
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn differences(before: &EndpointFacts, now: &EndpointFacts) -> Vec<&'static str> {
    let same = [
        ("id", before.id == now.id),
        ("labels", before.labels == now.labels),
        ("identity", before.identity == now.identity),
        ("addresses", before.addresses == now.addresses),
        ("interface", before.interface == now.interface),
        ("mode", before.mode == now.mode),
    ];
    same.into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
}

/// The services of these files by `namespace/name`.
fn services<'a>(contents: impl Iterator<Item = &'a Contents>) -> BTreeMap<String, ServiceFacts> {
    let (mut all, mut listed) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for file in contents {
        for service in &file.services {
            let facts = ServiceFacts {
                id: 0,
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                addresses: Vec::new(),
            };
            all.insert(format!("{}/{}", service.namespace, service.name), facts);
        }
        for behind in &file.addresses {
            let key = format!("{}/{}", behind.namespace, behind.service);
            let addresses = behind.addresses.iter().map(|net| net.addr().to_string());
            listed.entry(key).or_default().extend(addresses);
        }
    }
    for (key, addresses) in listed {
        if let Some(facts) = all.get_mut(&key) {
            facts.addresses = addresses.into_iter().collect();
        }
    }
    all
}
