//! The corner cases of a Kubernetes NetworkPolicy.

use flowd_abi::{
    Direction,
    protocol::{ICMP, SCTP, TCP, UDP},
};
use flowd_policy::{Answer, parse};

use crate::{ANYONE, Asked, WEB, answer};

fn policy(direction: Direction, spec: &str) -> Asked {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{name: p, namespace: shop}}\nspec: {{{spec}}}\n"
    );
    let policies = parse("p.yaml", &text).unwrap_or_else(|errors| panic!("{errors:?}"));
    Asked {
        policies,
        direction,
    }
}

fn ingress(spec: &str) -> Asked {
    policy(Direction::Ingress, spec)
}

fn egress(spec: &str) -> Asked {
    policy(Direction::Egress, spec)
}

#[test]
fn nothing_listed_denies_all_and_an_empty_rule_allows_all() {
    ingress("podSelector: {}").denies(&ANYONE, WEB);
    ingress("ingress: []").denies(&ANYONE, WEB);
    ingress("ingress: [{}]")
        .allows(&ANYONE, WEB)
        .allows(&ANYONE, (ICMP, 8));
    ingress("ingress: [{from: []}]").allows(&ANYONE, WEB);
    ingress("ingress: [{ports: []}]").allows(&ANYONE, (ICMP, 8));
}

#[test]
fn types_follow_the_rules_when_missing() {
    let ask = |spec: &str, direction| {
        answer(
            &policy(direction, spec).policies,
            "shop/web",
            direction,
            "shop/api",
            WEB,
        )
    };
    let (ingress, egress) = (Direction::Ingress, Direction::Egress);
    assert_eq!(ask("ingress: [{}]", egress), Answer::Unenforced);
    assert!(!ask("egress: [{}]", ingress).is_allowed());
    assert!(ask("egress: [{}]", egress).is_allowed());
    assert_eq!(ask("egress: []", egress), Answer::Unenforced);
    assert_eq!(ask("policyTypes: [Egress]", ingress), Answer::Unenforced);
    assert!(!ask("policyTypes: [Egress]", egress).is_allowed());
}

#[test]
fn rules_of_an_unnamed_direction_are_ignored() {
    let asked = ingress("policyTypes: [Egress], ingress: [{}]");
    assert_eq!(asked.policies[0].specs[0].rules, []);
    assert_eq!(asked.policies[0].warnings.len(), 1);
}

#[test]
fn selectors_in_one_peer_are_both_meant() {
    ingress("ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]")
        .allows(&["shop/api"], WEB)
        .denies(&["bank/api", "shop/db"], WEB);
    let bank = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}";
    ingress(&format!(
        "ingress: [{{from: [{{{bank}, podSelector: {{matchLabels: {{app: api}}}}}}]}}]"
    ))
    .allows(&["bank/api"], WEB)
    .denies(&["shop/api", "bank/db"], WEB);
    ingress(&format!(
        "ingress: [{{from: [{{{bank}}}, {{podSelector: {{matchLabels: {{app: api}}}}}}]}}]"
    ))
    .allows(&["bank/api", "bank/db", "shop/api"], WEB)
    .denies(&["shop/db"], WEB);
    ingress("ingress: [{from: [{namespaceSelector: {}}]}]")
        .allows(&["shop/api", "bank/db"], WEB)
        .denies(&["reserved:host", "192.0.2.1"], WEB);
    ingress("ingress: [{from: [{podSelector: {}}]}]")
        .allows(&["shop/api"], WEB)
        .denies(&["bank/api", "reserved:host", "192.0.2.1"], WEB);
}

#[test]
fn ports_default_to_tcp_and_to_all() {
    let api = &["shop/api"];
    let ports = |ports: &str| ingress(&format!("ingress: [{{ports: [{ports}]}}]"));
    ports("{port: 80}").allows(api, WEB).denies(api, (UDP, 80));
    ports("{protocol: UDP}")
        .allows(api, (UDP, 9))
        .denies(api, WEB);
    ports("{}")
        .allows(api, (TCP, 9))
        .denies(api, (UDP, 9))
        .denies(api, (ICMP, 8));
    ports("{port: 80, endPort: 82}")
        .allows(api, (TCP, 82))
        .denies(api, (TCP, 83));
    ports("{port: web}").allows(api, WEB).denies(api, (TCP, 81));
    ports("{port: 80, protocol: SCTP}")
        .allows(api, (SCTP, 80))
        .denies(api, WEB);
}

#[test]
fn a_block_means_everyone_at_its_addresses() {
    let block = "ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}";
    egress(&format!(
        "policyTypes: [Egress], egress: [{{to: [{{{block}}}]}}]"
    ))
    .allows(
        &["10.2.0.1", "shop/api@10.2.0.2", "reserved:host@10.2.0.3"],
        WEB,
    )
    .denies(
        &["10.1.0.1", "shop/api@10.1.0.2", "shop/api", "192.0.2.1"],
        WEB,
    );
    egress(&format!(
        "egress: [{{to: [{{{block}}}]}}, {{to: [{{ipBlock: {{cidr: 10.1.2.0/24}}}}]}}]"
    ))
    .allows(&["10.1.2.3"], WEB)
    .denies(&["10.1.3.1"], WEB);
}

#[test]
fn policies_of_both_kinds_add_up_and_a_deny_wins() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                metadata: {name: a, namespace: shop}\nspec: {ingress: [{}]}\n---\n\
                apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n\
                metadata: {name: b, namespace: shop}\n\
                spec: {endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}\n";
    let asked = Asked {
        policies: parse("p.yaml", text).unwrap(),
        direction: Direction::Ingress,
    };
    asked
        .allows(&["shop/api", "reserved:host"], WEB)
        .denies(&["192.0.2.1"], WEB);
}
