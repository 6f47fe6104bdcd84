//! What a plan is, and what makes a new one.

use flowd_abi::Peer;
use flowd_policy::PolicySet;
use ipnet::{IpNet, Ipv4Net};

use super::{Guarded, Inputs, Numbers, Resolver, peers::prefix_key};
use crate::endpoints;

fn guarded(list: &[(&str, &str, u32)]) -> Vec<Guarded> {
    list.iter()
        .map(|(name, address, ifindex)| {
            let app = name.split('-').next().unwrap_or(name);
            let text = format!(
                "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: {name}, namespace: \
                 shop, labels: {{app: {app}}}}}\nspec:\n  addresses: [\"{address}\"]\n  \
                 attach: {{interface: v{ifindex}}}\n"
            );
            let spec = endpoints::parse("e.yaml", &text).expect("valid").remove(0);
            Guarded {
                spec: spec.into(),
                device: format!("v{ifindex}").into(),
                ifindex: *ifindex,
                addresses: [address.parse().expect("an address")].into(),
                namespace: None,
            }
        })
        .collect()
}

fn policies(rule: &str) -> PolicySet {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: \
         shop}}\nspec:\n  endpointSelector: {{matchLabels: {{app: web}}}}\n  {rule}\n"
    );
    PolicySet::new(flowd_policy::parse("p.yaml", &text).expect("valid"))
}

fn inputs(endpoints: &[(&str, &str, u32)], rule: &str) -> Inputs {
    Inputs {
        endpoints: guarded(endpoints),
        policies: policies(rule),
        host: Vec::new(),
    }
}

const TWO: [(&str, &str, u32); 2] = [("web", "10.0.0.1", 3), ("api", "10.0.0.2", 4)];
const FROM_API: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]";

fn resolver() -> Resolver {
    Resolver::new(Numbers::fresh(0))
}

#[test]
fn the_same_inputs_are_no_new_plan() {
    let mut resolver = resolver();
    assert!(
        resolver
            .resolve(&inputs(&TWO, FROM_API))
            .expect("compiles")
            .is_some()
    );
    assert!(
        resolver
            .resolve(&inputs(&TWO, FROM_API))
            .expect("compiles")
            .is_none()
    );
}

#[test]
fn a_changed_policy_touches_only_whom_it_selects() {
    let mut resolver = resolver();
    resolver.resolve(&inputs(&TWO, FROM_API)).expect("compiles");
    let before = resolver.plan().clone();
    let wider = FROM_API.replace("api", "other");
    resolver
        .resolve(&inputs(&TWO, &wider))
        .expect("compiles")
        .expect("a new plan");
    let after = resolver.plan();
    assert!(!after.peers_changed);
    assert_ne!(
        after.endpoints[&3].value.ingress_policy,
        before.endpoints[&3].value.ingress_policy
    );
    assert_eq!(after.endpoints[&3].value.generation, after.generation);
    assert_eq!(after.endpoints[&4].value, before.endpoints[&4].value);
}

#[test]
fn an_address_that_changes_hands_is_judged_again_by_whom_it_makes_a_difference_to() {
    let mut resolver = resolver();
    let four = [
        TWO[0],
        TWO[1],
        ("db", "10.0.0.3", 5),
        ("web-2", "10.0.0.4", 6),
    ];
    resolver
        .resolve(&inputs(&four, FROM_API))
        .expect("compiles");
    let before = resolver.plan().clone();
    // The address of db becomes one of api, whom web's policy knows.
    let moved = [four[0], four[1], ("api-2", "10.0.0.3", 5), four[3]];
    resolver
        .resolve(&inputs(&moved, FROM_API))
        .expect("compiles")
        .expect("a new plan");
    let after = resolver.plan();
    assert!(after.peers_changed && after.interim != after.generation);
    for web in [3, 6] {
        let (old, new) = (before.endpoints[&web].value, after.endpoints[&web].value);
        assert_eq!(new.ingress_policy, old.ingress_policy);
        assert_eq!(new.generation, after.generation);
    }
    assert_eq!(after.endpoints[&5].value.generation, after.generation);
    assert_eq!(after.endpoints[&4].value, before.endpoints[&4].value);
}

#[test]
fn an_address_nobody_has_a_rule_for_is_nobodys_business() {
    let mut resolver = resolver();
    resolver.resolve(&inputs(&TWO, FROM_API)).expect("compiles");
    let before = resolver.plan().clone();
    let third = [TWO[0], TWO[1], ("new", "10.0.0.3", 5)];
    resolver
        .resolve(&inputs(&third, FROM_API))
        .expect("compiles")
        .expect("a new plan");
    let after = resolver.plan();
    assert!(after.peers_changed);
    for known in [3, 4] {
        assert_eq!(
            after.endpoints[&known].value,
            before.endpoints[&known].value
        );
    }
}

#[test]
fn policies_know_the_peers_of_the_last_plan_and_of_this_one() {
    let mut resolver = resolver();
    resolver.resolve(&inputs(&TWO, FROM_API)).expect("compiles");
    let old = resolver.plan().endpoints[&4].value.identity;
    resolver
        .resolve(&inputs(&TWO[..1], FROM_API))
        .expect("compiles")
        .expect("a new plan");
    let knows = |resolver: &Resolver, identity| {
        let plan = resolver.plan();
        let policy = plan.endpoints[&3].value.ingress_policy;
        plan.policies[&policy]
            .compiled
            .entries
            .iter()
            .any(|entry| entry.peer() == identity)
    };
    assert!(
        knows(&resolver, old),
        "the peer is still in the table of peers"
    );
    resolver
        .resolve(&inputs(&TWO[..1], FROM_API))
        .expect("compiles")
        .expect("a new plan");
    assert!(!knows(&resolver, old));
}

#[test]
fn a_block_of_all_ipv6_does_not_answer_for_ipv4() {
    let mut resolver = resolver();
    let rule = "egress: [{toCIDR: [\"::/0\"]}]";
    resolver.resolve(&inputs(&TWO, rule)).expect("compiles");
    let v4 = prefix_key(IpNet::V4(Ipv4Net::default()));
    let plan = resolver.plan();
    assert_eq!(plan.peers[&v4], Peer::WORLD);
    assert_ne!(plan.peers[&(0, [0; 16])].class, 0);
}
