//! What tiers and priorities decide, and what they leave to others.

use flowd_abi::Direction;
use flowd_policy::{Answer, PolicySet, parse};

use crate::answer;

const SSH: (u8, u16) = (6, 22);

/// ClusterNetworkPolicies of one ingress rule each, about every peer in a namespace: name, tier,
/// priority and action. `more` are other documents.
fn says(policies: &[(&str, &str, u16, &str)], more: &str) -> String {
    let cluster = policies.iter().map(|(name, tier, priority, action)| {
        format!(
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n\
             metadata: {{name: {name}}}\nspec:\n  tier: {tier}\n  priority: {priority}\n  \
             subject: {{namespaces: {{}}}}\n  ingress:\n  - {{action: {action}, from: \
             [{{namespaces: {{}}}}]}}\n---\n"
        )
    });
    let text: String = cluster.chain([more.to_owned()]).collect();
    let set: PolicySet = parse("p.yaml", &text).unwrap().into_iter().collect();
    let policies: Vec<_> = set.policies().cloned().collect();
    match answer(&policies, "shop/web", Direction::Ingress, "bank/api", SSH) {
        Answer::Allowed(rules) => format!("allowed by {}", rules[0]),
        Answer::Denied(rules) => format!("denied by {}", rules[0]),
        Answer::DefaultDenied(policies) => format!("default denied by {}", policies[0]),
        Answer::AllowedByDefault => "allowed by default".to_owned(),
        Answer::Unenforced => "unenforced".to_owned(),
    }
}

const ALLOWING: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
     metadata: {name: own, namespace: shop}, spec: {ingress: [{}]}}";
const DENYING: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
     metadata: {name: own, namespace: shop}, spec: {}}";
const NEITHER: &str = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, \
     metadata: {name: own, namespace: shop}, spec: {endpointSelector: {}, enableDefaultDeny: \
     {ingress: false}, ingress: [{fromEntities: [host]}]}}";

#[test]
fn the_tier_admin_is_asked_first() {
    let deny = says(&[("a", "Admin", 5, "Deny")], ALLOWING);
    assert_eq!(
        deny,
        "denied by ClusterNetworkPolicy/a of tier Admin, priority 5 spec.ingress[0] (p.yaml:9)"
    );
    assert!(says(&[("a", "Admin", 5, "Accept")], DENYING).starts_with("allowed by Cluster"));
    assert!(says(&[("a", "Admin", 5, "Pass")], DENYING).starts_with("default denied by Net"));
    assert!(says(&[("a", "Admin", 5, "Pass")], ALLOWING).starts_with("allowed by NetworkPolicy"));
    assert_eq!(says(&[("a", "Admin", 5, "Pass")], ""), "allowed by default");
}

#[test]
fn the_smaller_priority_is_asked_first_and_a_pass_ends_the_tier() {
    let both = |first, second| says(&[("a", "Admin", 9, second), ("b", "Admin", 2, first)], "");
    assert!(both("Deny", "Accept").starts_with("denied by ClusterNetworkPolicy/b"));
    assert!(both("Accept", "Deny").starts_with("allowed by ClusterNetworkPolicy/b"));
    assert_eq!(both("Pass", "Deny"), "allowed by default");
}

#[test]
fn what_has_the_same_priority_is_asked_by_name_and_says_so() {
    let tie = [("b", "Admin", 2, "Deny"), ("a", "Admin", 2, "Accept")];
    assert!(says(&tie, "").starts_with("allowed by ClusterNetworkPolicy/a"));
}

#[test]
fn the_tier_baseline_is_asked_last() {
    let baseline = |action, more| says(&[("z", "Baseline", 0, action)], more);
    assert!(baseline("Deny", "").starts_with("denied by ClusterNetworkPolicy/z"));
    assert!(baseline("Deny", ALLOWING).starts_with("allowed by NetworkPolicy"));
    assert!(baseline("Accept", DENYING).starts_with("default denied by NetworkPolicy"));
    assert!(baseline("Deny", NEITHER).starts_with("denied by ClusterNetworkPolicy/z"));
    assert_eq!(baseline("Pass", ""), "allowed by default");
    let passed = [("a", "Admin", 0, "Pass"), ("z", "Baseline", 0, "Deny")];
    assert!(says(&passed, "").starts_with("denied by ClusterNetworkPolicy/z"));
    let then = [("y", "Baseline", 1, "Pass"), ("z", "Baseline", 2, "Deny")];
    assert_eq!(says(&then, ""), "allowed by default");
}
