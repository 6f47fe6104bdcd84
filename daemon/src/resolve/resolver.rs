//! The resolver: endpoints, policies and addresses in, a plan out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use flowd_abi::{Direction, Endpoint, Peer, endpoint::EndpointFlags};
use flowd_policy::{
    CompileError, CompiledDirection, Labels, NamedPorts, PolicySet, Subject, cidr, compile,
};
use ipnet::{IpNet, Ipv4Net};

use super::{
    identities::{Classes, Identities},
    numbers::{Live, Numbers},
    plan::{CompiledPolicy, Plan, PlannedEndpoint, label_key},
};
use crate::{
    endpoints::EndpointSpec, enrich::directory::address_of, kernel::namespace::Namespace,
    serve::status::Mode,
};

const HOST_IDENTITY: u32 = 1;

/// An endpoint whose device was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// What its file says.
    pub spec: EndpointSpec,
    /// Its device.
    pub device: String,
    /// The device's number.
    pub ifindex: u32,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
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
    identities: Identities,
    plan: Plan,
}

/// Policy ids of one identity: ingress, egress; 0 for none.
type PolicyIds = (u32, u32);

/// Labels and named ports by identity.
type Wanted = BTreeMap<u32, (Labels, NamedPorts)>;

/// The policy ids of every identity, and the policies behind them.
type Compilation = (HashMap<u32, PolicyIds>, BTreeMap<u32, CompiledPolicy>);

impl Resolver {
    /// A resolver that goes on with these numbers.
    pub fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            identities: Identities::default(),
            plan: Plan::default(),
        }
    }

    /// The numbers handed out so far.
    pub const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The last plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Makes the next plan; `None` when it would be the last one again.
    ///
    /// # Errors
    ///
    /// When the policies cannot be compiled; the last plan stays.
    pub fn resolve(&mut self, inputs: &Inputs) -> Result<Option<&Plan>, CompileError> {
        let wanted = self.wanted_identities(inputs);
        let classes = self.classes(inputs);
        self.identities.follow(&wanted, classes);
        let peers = self.peers(inputs);
        let (ids, policies) = self.compile_all(inputs, &wanted)?;
        let mut endpoints = self.endpoints(inputs, &ids);
        let peers_changed = peers != self.plan.peers;
        if self.plan.generation != 0 && !peers_changed && same(&endpoints, &self.plan.endpoints) {
            return Ok(None);
        }
        let interim = self.numbers.next_generation();
        let generation = if peers_changed {
            self.numbers.next_generation()
        } else {
            interim
        };
        for (ifindex, endpoint) in &mut endpoints {
            let before = self
                .plan
                .endpoints
                .get(ifindex)
                .map(|planned| planned.value);
            endpoint.value.generation = match before {
                Some(before) if !peers_changed && unchanged(&before, &endpoint.value) => {
                    before.generation
                }
                _ => generation,
            };
        }
        self.plan = Plan {
            interim,
            generation,
            peers_changed,
            endpoints,
            peers,
            policies,
        };
        self.forget();
        Ok(Some(&self.plan))
    }

    /// Identities with their labels and all named ports that any of their workloads has.
    fn wanted_identities(&mut self, inputs: &Inputs) -> Wanted {
        let mut wanted = Wanted::new();
        for endpoint in &inputs.endpoints {
            let labels = &endpoint.spec.labels;
            let identity = self.numbers.identity(&label_key(labels));
            let entry = wanted.entry(identity);
            let (_, ports) = entry.or_insert_with(|| (labels.clone(), NamedPorts::default()));
            ports.merge(&endpoint.spec.ports);
        }
        wanted
    }

    fn classes(&mut self, inputs: &Inputs) -> Classes {
        let (world, pods) = (inputs.policies.prefixes(), inputs.policies.pod_prefixes());
        let numbers = &mut self.numbers;
        Classes {
            world: world
                .into_iter()
                .map(|prefix| (numbers.class(prefix), prefix))
                .collect(),
            pods: pods
                .into_iter()
                .map(|prefix| (numbers.pod_class(prefix), prefix))
                .collect(),
        }
    }

    /// Prefixes of policies, then the host's addresses, then workloads': the later ones win.
    fn peers(&mut self, inputs: &Inputs) -> BTreeMap<(u32, [u8; 16]), Peer> {
        let mut peers = BTreeMap::new();
        let Self {
            identities,
            numbers,
            ..
        } = self;
        let classes = identities.classes();
        if classes.world.values().any(covers_all_v4) {
            // IPv4 lies in the same trie, as a part of IPv6 that no IPv6 prefix means.
            peers.insert(prefix_key(IpNet::V4(Ipv4Net::default())), Peer::WORLD);
        }
        for (class, prefix) in &classes.world {
            let peer = Peer {
                class: *class,
                ..Peer::WORLD
            };
            peers.insert(prefix_key(*prefix), peer);
        }
        let pod_class = |address: &IpAddr| cidr::class_of(&classes.pods, *address);
        for address in &inputs.host {
            let peer = Peer {
                identity: HOST_IDENTITY,
                class: pod_class(address),
                endpoint: 0,
            };
            peers.insert(host_key(*address), peer);
        }
        for endpoint in &inputs.endpoints {
            let peer = Peer {
                identity: numbers.identity(&label_key(&endpoint.spec.labels)),
                class: 0,
                endpoint: numbers.endpoint(&endpoint.spec.key()),
            };
            for address in &endpoint.addresses {
                let peer = Peer {
                    class: pod_class(address),
                    ..peer
                };
                peers.insert(host_key(*address), peer);
            }
        }
        peers
    }

    /// Compiles the policy of each identity once. One that comes to the same as before keeps its
    /// id, so that connections judged by it stay judged.
    fn compile_all(
        &mut self,
        inputs: &Inputs,
        wanted: &Wanted,
    ) -> Result<Compilation, CompileError> {
        let before = self.ids_before();
        let (mut ids, mut policies) = (HashMap::new(), BTreeMap::new());
        for (identity, (labels, _)) in wanted {
            let compiled = compile(
                &inputs.policies,
                Subject::Endpoint { labels },
                self.identities.world(),
                &mut self.numbers.rules,
            )?;
            let (ingress, egress) = before.get(identity).copied().unwrap_or_default();
            let ingress = self.keep(ingress, Direction::Ingress, compiled.ingress, &mut policies);
            let egress = self.keep(egress, Direction::Egress, compiled.egress, &mut policies);
            ids.insert(*identity, (ingress, egress));
        }
        Ok((ids, policies))
    }

    fn ids_before(&self) -> HashMap<u32, PolicyIds> {
        let values = self.plan.endpoints.values().map(|endpoint| endpoint.value);
        values
            .map(|value| (value.identity, (value.ingress_policy, value.egress_policy)))
            .collect()
    }

    fn keep(
        &mut self,
        before: u32,
        direction: Direction,
        compiled: Option<CompiledDirection>,
        policies: &mut BTreeMap<u32, CompiledPolicy>,
    ) -> u32 {
        let Some(compiled) = compiled else {
            return 0;
        };
        if let Some(old) = self.plan.policies.get(&before)
            && *old.compiled == compiled
        {
            policies.insert(before, old.clone());
            return before;
        }
        let id = self.numbers.policy(&compiled.default_deny);
        let compiled = Arc::new(compiled);
        policies.insert(
            id,
            CompiledPolicy {
                direction,
                compiled,
            },
        );
        id
    }

    fn endpoints(
        &mut self,
        inputs: &Inputs,
        ids: &HashMap<u32, PolicyIds>,
    ) -> BTreeMap<u32, PlannedEndpoint> {
        let mut endpoints = BTreeMap::new();
        for guarded in &inputs.endpoints {
            let identity = self.numbers.identity(&label_key(&guarded.spec.labels));
            let (ingress_policy, egress_policy) = ids.get(&identity).copied().unwrap_or_default();
            let selecting = inputs.policies.selecting(Subject::Endpoint {
                labels: &guarded.spec.labels,
            });
            let names: BTreeSet<String> = selecting
                .iter()
                .map(|(policy, _)| policy.to_string())
                .collect();
            let planned = PlannedEndpoint {
                device: guarded.device.clone(),
                addresses: guarded.addresses.clone(),
                namespace: guarded.namespace.clone(),
                policies: names.into_iter().collect(),
                value: Endpoint {
                    id: self.numbers.endpoint(&guarded.spec.key()),
                    identity,
                    ingress_policy,
                    egress_policy,
                    generation: self.plan.generation,
                    flags: flags(&guarded.spec),
                },
                spec: guarded.spec.clone(),
            };
            endpoints.insert(guarded.ifindex, planned);
        }
        endpoints
    }

    fn forget(&mut self) {
        let policies: BTreeSet<u32> = self.plan.policies.keys().copied().collect();
        let rules: BTreeSet<u32> = self
            .plan
            .policies
            .values()
            .flat_map(|policy| policy.compiled.entries.iter().map(|entry| entry.value.rule))
            .collect();
        let planned = self.plan.endpoints.values();
        let classes = self.identities.classes();
        let live = Live {
            endpoints: planned.clone().map(|planned| planned.value.id).collect(),
            identities: planned.map(|planned| planned.value.identity).collect(),
            classes: classes
                .world
                .keys()
                .chain(classes.pods.keys())
                .copied()
                .collect(),
        };
        self.numbers.forget(&live, &policies, &rules);
    }
}

fn flags(spec: &EndpointSpec) -> u32 {
    let mode = match spec.mode {
        Mode::Enforce => 0,
        Mode::Audit => EndpointFlags::AUDIT,
        Mode::Off => EndpointFlags::OFF,
    };
    let source = if spec.check_source {
        EndpointFlags::CHECK_SOURCE
    } else {
        0
    };
    mode | source
}

/// Whether two values differ in nothing but their generation.
fn unchanged(before: &Endpoint, after: &Endpoint) -> bool {
    Endpoint {
        generation: 0,
        ..*before
    } == Endpoint {
        generation: 0,
        ..*after
    }
}

fn same(after: &BTreeMap<u32, PlannedEndpoint>, before: &BTreeMap<u32, PlannedEndpoint>) -> bool {
    after.len() == before.len()
        && after.iter().all(|(ifindex, endpoint)| {
            before.get(ifindex).is_some_and(|before| {
                unchanged(&before.value, &endpoint.value)
                    && before.device == endpoint.device
                    && before.spec == endpoint.spec
                    && before.policies == endpoint.policies
            })
        })
}

pub(super) fn prefix_key(prefix: IpNet) -> (u32, [u8; 16]) {
    let length = u32::from(prefix.prefix_len());
    match prefix {
        IpNet::V4(net) => (96 + length, address_of(IpAddr::V4(net.network())).0),
        IpNet::V6(net) => (length, address_of(IpAddr::V6(net.network())).0),
    }
}

/// Whether an IPv6 prefix holds the place of IPv4 in the trie, `::ffff:0:0/96`.
fn covers_all_v4(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(_) => false,
        IpNet::V6(prefix) => prefix.contains(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()),
    }
}

fn host_key(address: IpAddr) -> (u32, [u8; 16]) {
    (128, address_of(address).0)
}
