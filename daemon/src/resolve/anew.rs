//! A resolver that followed every change makes the plan that one makes which sees the last state only,
//! and leaves alone no endpoint whose verdicts changed on the way.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use flowd_abi::{Direction, Peer};
use flowd_policy::{CompiledDirection, Policy, PolicySet, Target};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use super::{Guarded, Inputs, Plan, Resolver, numbers::Numbers};
use crate::endpoints;

const CASES: u32 = 80;
const LABELS: [&str; 5] = [
    "{app: web}",
    "{app: api}",
    "{app: db}",
    "{app: web, tier: back}",
    "{}",
];
const PORTS: [&str; 3] = [
    "",
    "ports: [{name: http, port: 80}]",
    "ports: [{name: http, port: 81}]",
];
const SPECS: [&str; 14] = [
    "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]}",
    "{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {tier: back}}], toPorts: [{ports: [{port: http}]}]}]}",
    "{endpointSelector: {matchLabels: {app: api}}, egress: [{toPorts: [{ports: [{port: http}]}]}]}",
    "{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromCIDR: [192.0.2.0/24]}]}",
    "{endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}]}]}",
    "{endpointSelector: {}, ingressDeny: [{fromCIDR: [192.0.2.128/25]}]}",
    "{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [host, cluster]}]}",
    "{endpointSelector: {matchLabels: {app: web}}, ingress: [{toPorts: [{ports: [{port: http}]}]}]}",
    "{endpointSelector: {matchLabels: {app: api}}, ingress: [{}], ingressDeny: [{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}]}]}",
    "k8s {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/30}}]}]}",
    "cluster {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Pass, to: [{pods: {podSelector: {matchLabels: {app: api}}}}, {networks: [10.0.0.4/30]}]}, {action: Deny, to: [{networks: [10.0.0.0/8]}]}]}",
    "cluster {tier: Admin, priority: 2, subject: {pods: {podSelector: {matchLabels: {app: web}}}}, ingress: [{action: Pass, from: [{pods: {podSelector: {matchLabels: {tier: back}}}}]}, {action: Accept, from: [{namespaces: {}}]}]}",
    "cluster {tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{pods: {podSelector: {matchLabels: {app: db}}}}]}]}",
    "k8s {podSelector: {matchLabels: {app: db}}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/29, except: [10.0.0.2/32]}}]}]}",
];
/// Addresses of workloads, of the host, and of neither.
const ADDRESSES: u8 = 12;

/// One change of the inputs.
#[derive(Clone, Debug)]
enum Change {
    Endpoint(u8, u8, u8, u8),
    Gone(u8),
    Policy(u8, bool),
    Host(u8),
    /// Nothing: the plan after the next one forgets what is gone.
    Settle,
}

fn change() -> impl Strategy<Value = Change> {
    let small = || any::<u8>();
    prop_oneof![
        4 => (small(), small(), small(), small())
            .prop_map(|(name, labels, address, ports)| Change::Endpoint(name, labels, address, ports)),
        1 => small().prop_map(Change::Gone),
        3 => (small(), any::<bool>()).prop_map(|(which, there)| Change::Policy(which, there)),
        1 => small().prop_map(Change::Host),
        2 => proptest::strategy::Just(Change::Settle),
    ]
}

#[derive(Default)]
struct World {
    endpoints: BTreeMap<u8, Guarded>,
    policies: BTreeMap<u8, Arc<Policy>>,
    host: Vec<IpAddr>,
}

impl World {
    fn apply(&mut self, change: &Change) {
        match *change {
            Change::Endpoint(name, labels, address, ports) => {
                let name = name % 6;
                let guarded = guarded(name, labels, address % 8, ports);
                self.endpoints.insert(name, guarded);
            }
            Change::Gone(name) => {
                self.endpoints.remove(&(name % 6));
            }
            Change::Policy(which, there) => {
                let which = which % SPECS.len() as u8;
                if there {
                    self.policies.insert(which, policy(which));
                } else {
                    self.policies.remove(&which);
                }
            }
            Change::Host(address) => self.host = vec![at(8 + address % 2)],
            Change::Settle => {}
        }
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            endpoints: self.endpoints.values().cloned().collect(),
            policies: self.policies.values().cloned().collect::<PolicySet>(),
            host: self.host.clone(),
        }
    }
}

fn at(number: u8) -> IpAddr {
    let text = if number < 10 { "10.0.0." } else { "192.0.2.12" };
    format!("{text}{}", number % 10)
        .parse()
        .expect("an address")
}

fn guarded(name: u8, labels: u8, address: u8, ports: u8) -> Guarded {
    let labels = LABELS[usize::from(labels) % LABELS.len()];
    let ports = PORTS[usize::from(ports) % PORTS.len()];
    let text = format!(
        "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: e{name}, namespace: shop, \
         labels: {labels}}}\nspec:\n  addresses: [\"{}\"]\n  attach: {{interface: v{name}}}\n  {ports}\n",
        at(address)
    );
    let spec = endpoints::parse("e.yaml", &text).expect("valid").remove(0);
    Guarded {
        spec: Arc::new(spec),
        device: format!("v{name}").into(),
        ifindex: 3 + u32::from(name),
        addresses: [at(address)].into(),
        namespace: None,
    }
}

fn policy(which: u8) -> Arc<Policy> {
    let spec = SPECS[usize::from(which)];
    let (kind, namespace, spec) = if let Some(spec) = spec.strip_prefix("k8s ") {
        (
            "networking.k8s.io/v1\nkind: NetworkPolicy",
            ", namespace: shop",
            spec,
        )
    } else if let Some(spec) = spec.strip_prefix("cluster ") {
        (
            "policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy",
            "",
            spec,
        )
    } else {
        (
            "cilium.io/v2\nkind: CiliumNetworkPolicy",
            ", namespace: shop",
            spec,
        )
    };
    let text =
        format!("apiVersion: {kind}\nmetadata: {{name: p{which}{namespace}}}\nspec: {spec}\n");
    let mut policies = flowd_policy::parse("p.yaml", &text).expect("valid");
    Arc::new(policies.remove(0))
}

/// What a plan means, without the numbers of policies and generations.
fn meaning(plan: &Plan) -> impl PartialEq + std::fmt::Debug {
    let policy = |id: u32| plan.policies.get(&id).map(|policy| policy.compiled.clone());
    let endpoints = plan.endpoints.iter().map(|(ifindex, planned)| {
        let value = planned.value;
        let compiled = [policy(value.ingress_policy), policy(value.egress_policy)];
        let names = planned.policies.clone();
        (
            *ifindex,
            value.id,
            value.identity,
            value.flags,
            compiled,
            names,
        )
    });
    (endpoints.collect::<Vec<_>>(), plan.peers.clone())
}

/// What every address gets from an endpoint.
fn verdicts(plan: &Plan, ifindex: u32) -> Vec<Option<(u8, u32)>> {
    let value = plan.endpoints[&ifindex].value;
    let mut verdicts = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let policy = plan.policies.get(&value.policy(direction));
        for address in 0..ADDRESSES {
            let Peer {
                identity, class, ..
            } = plan.peer(at(address));
            for port in [79, 80, 81] {
                let target = Target {
                    identity,
                    class,
                    protocol: 6,
                    port,
                };
                verdicts.push(policy.map(|policy| judge(&policy.compiled, target)));
            }
        }
    }
    verdicts
}

fn judge(policy: &CompiledDirection, target: Target) -> (u8, u32) {
    let hit = policy.lookup(target);
    hit.map_or((0, 0), |hit| (hit.action as u8, hit.rule))
}

fn follow(changes: &[Change]) -> Result<(), TestCaseError> {
    let fail = |text: String| Err(TestCaseError::fail(text));
    let mut world = World::default();
    let mut followed = Resolver::new(Numbers::fresh(0));
    for change in changes {
        world.apply(change);
        let inputs = world.inputs();
        let before = Arc::clone(followed.plan());
        followed.resolve(&inputs).expect("compiles");
        let after = Arc::clone(followed.plan());
        for (ifindex, planned) in &after.endpoints {
            let Some(last) = before.endpoints.get(ifindex) else {
                continue;
            };
            if last.value.generation == planned.value.generation
                && verdicts(&before, *ifindex) != verdicts(&after, *ifindex)
            {
                return fail(format!("{change:?} leaves device {ifindex} as it was"));
            }
        }
    }
    let inputs = world.inputs();
    let numbers = followed.numbers().clone();
    let mut anew = Resolver::new(numbers);
    for resolver in [&mut followed, &mut anew] {
        // What is gone is known for one plan more.
        while resolver.resolve(&inputs).expect("compiles").is_some() {}
    }
    if meaning(followed.plan()) != meaning(anew.plan()) {
        let (followed, anew) = (meaning(followed.plan()), meaning(anew.plan()));
        return fail(format!("followed: {followed:#?}\nanew: {anew:#?}"));
    }
    Ok(())
}

#[test]
fn following_changes_is_the_same_as_resolving_anew() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result =
        TestRunner::new_with_rng(config, rng).run(&vec(change(), 1..24), |list| follow(&list));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
