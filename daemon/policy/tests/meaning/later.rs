//! What is read but not enforced yet: an allow allows nothing, a deny denies more, and the policy
//! says so.

use flowd_abi::Direction;

use crate::{ANYONE, Asked, WEB, egress, ingress};

#[track_caller]
fn told(asked: &Asked, warnings: &[&str]) {
    let policy = &asked.policies[0];
    let found: Vec<String> = policy
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.path, warning.message))
        .collect();
    assert_eq!(found, warnings);
    assert_eq!(policy.complete, warnings.is_empty());
}

#[test]
fn layer_7_allows_nothing_by_itself() {
    let web = "fromEndpoints: [{matchLabels: {app: api}}]";
    let ports = "ports: [{port: '80', protocol: TCP}]";
    let http = ingress(&format!(
        "ingress: [{{{web}, toPorts: [{{{ports}, rules: {{http: [{{method: GET, path: '/public/.*'}}]}}}}]}}]"
    ));
    told(
        &http,
        &["spec.ingress[0].toPorts[0].rules: is not enforced yet, so these ports are not allowed"],
    );
    http.denies(&ANYONE, WEB);
    let beside = ingress(&format!(
        "ingress: [{{{web}, toPorts: [{{{ports}, serverNames: [a.example]}}, {{ports: [{{port: '81'}}]}}]}}]"
    ));
    beside
        .denies(&["shop/api"], WEB)
        .allows(&["shop/api"], (6, 81));
    let plain = ingress(&format!(
        "ingress: [{{{web}, toPorts: [{{{ports}, rules: {{}}}}]}}]"
    ));
    told(&plain, &[]);
    plain.allows(&["shop/api"], WEB);
}

#[test]
fn layer_7_in_a_deny_denies_the_ports() {
    let asked = ingress(
        "ingress: [{fromEntities: [all]}], ingressDeny: [{toPorts: [{ports: \
         [{port: '80', protocol: TCP}], rules: {http: [{path: /admin}]}}]}]",
    );
    told(
        &asked,
        &[
            "spec.ingressDeny[0].toPorts[0].rules: is not enforced yet, so these ports are denied as a whole",
        ],
    );
    asked.denies(&ANYONE, WEB).allows(&ANYONE, (6, 81));
}

#[test]
fn names_allow_nothing() {
    let asked = egress(
        "egress: [{toFQDNs: [{matchName: example.com}, {matchPattern: '*.example.com'}], \
         toPorts: [{ports: [{port: '80'}]}]}]",
    );
    told(
        &asked,
        &["spec.egress[0].toFQDNs: is not enforced yet, so this rule allows nothing"],
    );
    asked.denies(&ANYONE, WEB);
}

#[test]
fn nobody_is_authenticated() {
    let rule = |mode| format!("{{fromEntities: [all], authentication: {{mode: {mode}}}}}");
    ingress(&format!("ingress: [{}]", rule("required"))).denies(&ANYONE, WEB);
    ingress(&format!("ingress: [{}]", rule("disabled"))).allows(&ANYONE, WEB);
    let deny = format!(
        "ingress: [{{fromEntities: [all]}}], ingressDeny: [{}]",
        rule("required")
    );
    assert_eq!(ingress(&deny).direction, Direction::Ingress);
    ingress(&deny).denies(&ANYONE, WEB);
}
