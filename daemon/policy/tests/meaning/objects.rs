//! What stands around the rules: names, subjects, several specs, lists, groups.

use flowd_abi::Direction;
use flowd_policy::{Answer, Policy, PolicySet, labels, parse, read};

use crate::{WEB, answer, ingress};

fn all(set: &PolicySet) -> Vec<Policy> {
    set.policies().cloned().collect()
}

#[test]
fn a_subject_selector_is_bound_to_the_namespace() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: bank}\n\
                spec: {endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: shop}}, ingress: [{}]}\n";
    let policies = parse("p.yaml", text).unwrap();
    assert_eq!(policies[0].warnings.len(), 1, "{:?}", policies[0].warnings);
    let ask = |subject| answer(&policies, subject, Direction::Ingress, "shop/api", WEB);
    assert_eq!(ask("shop/web"), Answer::Unenforced);
    assert!(!ask("bank/web").is_allowed());
}

#[test]
fn a_missing_namespace_is_default() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n\
                spec: {endpointSelector: {}, ingress: [{}]}\n";
    let policies = parse("p.yaml", text).unwrap();
    assert_eq!(
        policies[0].reference.to_string(),
        "CiliumNetworkPolicy/default/p"
    );
    assert_eq!(
        policies[0].reference.labels.to_string(),
        "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy,\
         k8s:io.cilium.k8s.policy.name=p,k8s:io.cilium.k8s.policy.namespace=default"
    );
}

#[test]
fn the_specs_of_one_policy_stand_for_themselves() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\n\
        specs:\n- endpointSelector: {matchLabels: {app: web}}\n  ingress: [{fromEndpoints: [{}]}]\n\
        - endpointSelector: {matchLabels: {app: api}}\n  egress: [{}]\n";
    let policies = parse("p.yaml", text).unwrap();
    let ask = |subject, direction| answer(&policies, subject, direction, "shop/db", WEB);
    let Answer::Allowed(rules) = ask("shop/web", Direction::Ingress) else {
        panic!("allowed")
    };
    assert_eq!(rules[0].path(), "specs[0].ingress[0]");
    assert_eq!(ask("shop/web", Direction::Egress), Answer::Unenforced);
    assert_eq!(ask("shop/api", Direction::Ingress), Answer::Unenforced);
    assert!(!ask("shop/api", Direction::Egress).is_allowed());
}

#[test]
fn a_policy_as_the_api_server_returns_it_is_read() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: p\n  namespace: shop\n  \
        uid: 0e8a7a3c-1f0c-4a6e-9a39-0d2f4b0f5d11\n  generation: 3\n  resourceVersion: '77'\n  \
        creationTimestamp: '2026-01-01T00:00:00Z'\n  annotations: {note: hello}\n  managedFields: [{manager: kubectl}]\n\
        spec:\n  description: what it is for\n  labels: [{key: team, source: k8s, value: pay}, 'k8s:tier=back']\n  \
        endpointSelector: {}\n  ingress:\n  - fromEndpoints: [{}]\nstatus: {conditions: []}\n";
    let policies = parse("p.yaml", text).unwrap();
    let labels = policies[0].reference.labels.to_string();
    assert!(labels.contains("k8s:team=pay,k8s:tier=back"), "{labels}");
    assert!(
        labels.contains("policy.uid=0e8a7a3c-1f0c-4a6e-9a39-0d2f4b0f5d11"),
        "{labels}"
    );
    assert_eq!(policies[0].specs[0].rules[0].reference.line, 17);
}

#[test]
fn a_log_value_goes_with_every_rule() {
    let asked = ingress("log: {value: audit me}, ingress: [{fromEndpoints: [{}]}]");
    assert_eq!(
        asked.policies[0].specs[0].rules[0].reference.log.as_deref(),
        Some("audit me")
    );
}

const GROUPS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup",
     "metadata": {"name": "offices", "labels": {"trust": "high"}},
     "spec": {"externalCIDRs": ["192.0.2.0/24", "2001:db8::/32"]}},
    {"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumCIDRGroup",
     "metadata": {"name": "partners"}, "spec": {"externalCIDRs": ["198.51.100.0/24"]}},
    {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
     "metadata": {"name": "p", "namespace": "shop"},
     "spec": {"endpointSelector": {}, "ingress": [
        {"fromCIDRSet": [{"cidrGroupRef": "offices", "except": ["192.0.2.128/25"]}]}]}},
    {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
     "metadata": {"name": "q", "namespace": "shop"},
     "spec": {"endpointSelector": {}, "egress": [
        {"toCIDRSet": [{"cidrGroupSelector": {"matchLabels": {"trust": "high"}}}]},
        {"toCIDRSet": [{"cidrGroupRef": "nowhere"}]}]}}
]}"#;

#[test]
fn groups_of_addresses_from_json() {
    let contents = read("groups.json", GROUPS).unwrap();
    let set = PolicySet::with_groups(contents.policies.clone(), &contents.groups);
    let ask =
        |direction, peer: &str| answer(&all(&set), "shop/web", direction, peer, WEB).is_allowed();
    for (peer, allowed) in [
        ("192.0.2.1", true),
        ("192.0.2.129", false),
        ("2001:db8::1", true),
        ("198.51.100.1", false),
    ] {
        assert_eq!(ask(Direction::Ingress, peer), allowed, "{peer}");
    }
    assert!(ask(Direction::Egress, "192.0.2.129"));
    assert!(!ask(Direction::Egress, "198.51.100.1"));
    let warnings: Vec<String> = set
        .policies()
        .nth(1)
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "groups.json:15:1: spec.egress[1]: no addresses: the CiliumCIDRGroup nowhere is not there \
          or empty (add the group, or list the prefixes)"
        ]
    );
    let without = PolicySet::new(contents.policies);
    assert!(
        !answer(
            &all(&without),
            "shop/web",
            Direction::Ingress,
            "192.0.2.1",
            WEB
        )
        .is_allowed()
    );
}

#[test]
fn a_long_line_of_json_is_read() {
    let blocks: Vec<String> = (0..5_000)
        .map(|n| format!("\"10.{}.{}.0/24\"", n / 256, n % 256))
        .collect();
    let text = format!(
        "{{\"spec\":{{\"externalCIDRs\":[{}]}},\"metadata\":{{\"name\":\"a\"}},\"kind\":\"CiliumCIDRGroup\",\"apiVersion\":\"cilium.io/v2\"}}",
        blocks.join(",")
    );
    assert_eq!(read("a.json", &text).unwrap().groups[0].cidrs.len(), 5_000);
}

const SERVICES: &str = "\
kind: Service
apiVersion: v1
metadata: {name: api, namespace: bank, labels: {tier: core}}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}], type: ClusterIP}
---
kind: Service
apiVersion: v1
metadata: {name: legacy, namespace: bank, labels: {tier: core}}
spec: {ports: [{port: 80}]}
---
kind: Endpoints
apiVersion: v1
metadata: {name: legacy, namespace: bank}
subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 80}]}]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: legacy-x7, namespace: bank, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv6
endpoints: [{addresses: ['2001:db8::7'], conditions: {ready: true}}]
";

/// The answers of a policy with one egress rule to `peers`, with and without the services known.
fn to_services(rule: &str, peers: &[&str]) -> (Vec<bool>, Vec<bool>, PolicySet) {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec: {{endpointSelector: {{}}, {rule}}}\n"
    );
    let files = [
        read("policy.yaml", &text).unwrap(),
        read("services.yaml", SERVICES).unwrap(),
    ];
    let ask = |set: &PolicySet| -> Vec<bool> {
        let ask =
            |peer: &&str| answer(&all(set), "shop/web", Direction::Egress, peer, WEB).is_allowed();
        peers.iter().map(ask).collect()
    };
    let known = PolicySet::assemble(&files);
    let unknown = PolicySet::assemble(&files[..1]);
    (ask(&known), ask(&unknown), unknown)
}

const BEHIND: [&str; 5] = [
    "bank/api",
    "shop/api",
    "192.0.2.7",
    "2001:db8::7",
    "192.0.2.8",
];

#[test]
fn services_stand_for_who_is_behind_them() {
    let nobody = vec![false; 5];
    for (services, allowed) in [
        (
            "k8sService: {serviceName: api, namespace: bank}",
            vec![true, false, false, false, false],
        ),
        (
            "k8sService: {serviceName: api}",
            vec![true, false, false, false, false],
        ),
        (
            "k8sService: {serviceName: api, namespace: shop}",
            nobody.clone(),
        ),
        (
            "k8sService: {serviceName: legacy, namespace: bank}",
            vec![false, false, true, true, false],
        ),
        (
            "k8sServiceSelector: {selector: {matchLabels: {tier: core}}}",
            vec![true, false, true, true, false],
        ),
    ] {
        let (known, unknown, set) = to_services(
            &format!("egress: [{{toServices: [{{{services}}}]}}]"),
            &BEHIND,
        );
        assert_eq!(known, allowed, "{services}");
        assert_eq!(unknown, nobody, "{services}");
        let policy = &set.policies().next().unwrap();
        assert!(!policy.complete);
        assert!(
            policy.warnings[0]
                .message
                .ends_with("is not there, so it allows nothing")
        );
    }
}

#[test]
fn a_denied_service_that_is_not_there_denies_everyone() {
    let rule = "egress: [{toEntities: [all]}], egressDeny: [{toServices: [{k8sService: {serviceName: legacy}}]}]";
    let (known, unknown, set) = to_services(rule, &BEHIND);
    assert_eq!(known, [true, true, false, false, true]);
    assert_eq!(unknown, [false; 5]);
    assert!(
        set.policies().next().unwrap().warnings[0]
            .message
            .ends_with("so it denies every peer")
    );
}

#[test]
fn namespaces_bring_their_labels() {
    let text = "kind: Namespace\napiVersion: v1\nmetadata: {name: bank, labels: {env: prod}}\n\
                spec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n";
    let contents = read("bank.yaml", text).unwrap();
    let bank = &contents.namespaces[0];
    let labels = labels::for_endpoint_in(&bank.name, &bank.labels, [("app", "api")]).unwrap();
    assert!(
        labels
            .to_string()
            .contains("io.cilium.k8s.namespace.labels.env=prod"),
        "{labels}"
    );
}
