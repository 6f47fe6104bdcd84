//! What each field means, asked of whole policies: the answers are written by hand from the
//! language's description, so that a misreading shared by both engines shows.

use flowd_abi::{
    Direction,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};
use flowd_policy::{Answer, Labels, Peer, Policy, Query, evaluate, labels, parse};

fn endpoint(text: &str) -> Labels {
    let (namespace, app) = text.split_once('/').unwrap();
    labels::for_endpoint(namespace, [("app", app)]).unwrap()
}

/// `namespace/app`, `reserved:name`, or an address of the world.
fn answer(
    policies: &[Policy],
    subject: &str,
    direction: Direction,
    peer: &str,
    to: (u8, u16),
) -> Answer {
    let (labels, address) = if let Some(name) = peer.strip_prefix("reserved:") {
        (Labels::reserved(&[name]), None)
    } else if let Ok(address) = peer.parse() {
        (Labels::reserved(&["world"]), Some(address))
    } else {
        (endpoint(peer), None)
    };
    let subject = endpoint(subject);
    let (protocol, port) = to;
    let named_ports = [(TCP, "web", 80), (UDP, "dns", 53)].into_iter().collect();
    let peer = Peer {
        labels: &labels,
        address,
    };
    evaluate(
        policies,
        &Query {
            subject: &subject,
            direction,
            peer,
            protocol,
            port,
            named_ports: Some(&named_ports),
        },
    )
}

struct Asked {
    policies: Vec<Policy>,
    direction: Direction,
}

impl Asked {
    #[track_caller]
    fn allows(&self, peers: &[&str], to: (u8, u16)) -> &Self {
        self.all(peers, to, true)
    }

    #[track_caller]
    fn denies(&self, peers: &[&str], to: (u8, u16)) -> &Self {
        self.all(peers, to, false)
    }

    #[track_caller]
    fn all(&self, peers: &[&str], to: (u8, u16), expected: bool) -> &Self {
        for peer in peers {
            let answer = answer(&self.policies, "shop/web", self.direction, peer, to);
            assert_eq!(answer.is_allowed(), expected, "{peer} {to:?}: {answer:?}");
        }
        self
    }
}

fn asked(kind: &str, direction: Direction, fields: &str) -> Asked {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{}}}\nspec: {{endpointSelector: {{}}, {fields}}}\n",
        if kind == "CiliumNetworkPolicy" {
            ", namespace: shop"
        } else {
            ""
        },
    );
    let policies = parse("p.yaml", &text).unwrap_or_else(|errors| panic!("{errors:?}"));
    Asked {
        policies,
        direction,
    }
}

fn ingress(fields: &str) -> Asked {
    asked("CiliumNetworkPolicy", Direction::Ingress, fields)
}

fn egress(fields: &str) -> Asked {
    asked("CiliumNetworkPolicy", Direction::Egress, fields)
}

fn clusterwide(fields: &str) -> Asked {
    asked("CiliumClusterwideNetworkPolicy", Direction::Ingress, fields)
}

const ANYONE: [&str; 5] = [
    "shop/api",
    "bank/api",
    "reserved:host",
    "192.0.2.1",
    "2001:db8::1",
];
const WEB: (u8, u16) = (TCP, 80);

#[test]
fn an_empty_rule_allows_nothing() {
    ingress("ingress: [{}]").denies(&ANYONE, WEB);
    ingress("ingressDeny: [{}]").denies(&ANYONE, WEB);
    ingress("ingressDeny: [{}], enableDefaultDeny: {ingress: false}").allows(&ANYONE, WEB);
}

#[test]
fn no_peers_is_everyone_and_an_empty_list_is_nobody() {
    ingress("ingress: [{toPorts: [{ports: [{port: '80'}]}]}]").allows(&ANYONE, WEB);
    for peers in [
        "fromEndpoints: []",
        "fromEntities: []",
        "fromCIDR: []",
        "fromCIDRSet: []",
    ] {
        ingress(&format!(
            "ingress: [{{{peers}, toPorts: [{{ports: [{{port: '80'}}]}}]}}]"
        ))
        .denies(&ANYONE, WEB);
        ingress(&format!("ingress: [{{{peers}}}]")).denies(&ANYONE, WEB);
    }
    ingress("ingress: [{fromEndpoints: null, toPorts: [{ports: [{port: '80'}]}]}]")
        .allows(&ANYONE, WEB);
}

#[test]
fn an_empty_peer_selector_means_the_policys_namespace() {
    ingress("ingress: [{fromEndpoints: [{}]}]")
        .allows(&["shop/api", "shop/web"], WEB)
        .denies(
            &["bank/api", "reserved:host", "reserved:init", "192.0.2.1"],
            WEB,
        );
    clusterwide("ingress: [{fromEndpoints: [{}]}]")
        .allows(&["shop/api", "bank/api"], WEB)
        .denies(&["reserved:host", "reserved:init", "192.0.2.1"], WEB);
}

#[test]
fn the_namespace_is_added_unless_named() {
    ingress("ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]")
        .allows(&["shop/api"], WEB)
        .denies(&["bank/api"], WEB);
    for key in [
        "'k8s:io.kubernetes.pod.namespace'",
        "'any:io.kubernetes.pod.namespace'",
        "io.kubernetes.pod.namespace",
    ] {
        ingress(&format!(
            "ingress: [{{fromEndpoints: [{{matchLabels: {{{key}: bank}}}}]}}]"
        ))
        .allows(&["bank/api"], WEB)
        .denies(&["shop/api"], WEB);
        ingress(&format!(
            "ingress: [{{fromEndpoints: [{{matchExpressions: [{{key: {key}, operator: Exists}}]}}]}}]"
        ))
        .allows(&["bank/api", "shop/api"], WEB)
        .denies(&["192.0.2.1"], WEB);
    }
    ingress(
        "ingress: [{fromEndpoints: [{matchLabels: \
         {'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': bank}}]}]",
    )
    .allows(&["bank/api"], WEB)
    .denies(&["shop/api"], WEB);
}

#[test]
fn reserved_labels_stand_without_a_namespace() {
    ingress("ingress: [{fromEndpoints: [{matchLabels: {'reserved:host': ''}}]}]")
        .allows(&["reserved:host"], WEB)
        .denies(&["shop/api", "192.0.2.1"], WEB);
    ingress("ingress: [{fromEndpoints: [{matchLabels: {$host: ''}}]}]")
        .allows(&["reserved:host"], WEB);
    ingress("ingress: [{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}]")
        .allows(&["192.0.2.1"], WEB)
        .denies(&["reserved:host"], WEB);
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
fn entities() {
    let only = |entity: &str| ingress(&format!("ingress: [{{fromEntities: [{entity}]}}]"));
    only("all")
        .allows(&ANYONE, WEB)
        .allows(&["reserved:init"], (47, 0));
    only("none").denies(&ANYONE, WEB);
    only("world")
        .allows(&["192.0.2.1", "2001:db8::1"], WEB)
        .denies(&["shop/api", "reserved:host"], WEB);
    let inside = [
        "shop/api",
        "bank/api",
        "reserved:host",
        "reserved:remote-node",
        "reserved:init",
        "reserved:ingress",
        "reserved:health",
        "reserved:unmanaged",
        "reserved:kube-apiserver",
    ];
    only("cluster")
        .allows(&inside, WEB)
        .denies(&["192.0.2.1"], WEB);
    for name in [
        "host",
        "remote-node",
        "init",
        "ingress",
        "health",
        "unmanaged",
        "kube-apiserver",
    ] {
        only(name)
            .allows(&[&format!("reserved:{name}")], WEB)
            .denies(&["shop/api", "192.0.2.1"], WEB);
    }
}

#[test]
fn blocks_are_about_the_world_only() {
    egress("egress: [{toCIDR: [192.0.2.0/25]}]")
        .allows(&["192.0.2.1", "192.0.2.127"], WEB)
        .denies(
            &["192.0.2.128", "2001:db8::1", "shop/api", "reserved:host"],
            WEB,
        );
    egress("egress: [{toCIDR: [0.0.0.0/0]}]")
        .allows(&["192.0.2.1"], WEB)
        .denies(&["2001:db8::1", "shop/api", "reserved:host"], WEB);
    egress("egress: [{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.64/26]}]}]")
        .allows(&["192.0.2.63", "192.0.2.128"], WEB)
        .denies(&["192.0.2.64", "192.0.2.127"], WEB);
    egress("egress: [{toCIDR: [192.0.2.7]}]")
        .allows(&["192.0.2.7"], WEB)
        .denies(&["192.0.2.8"], WEB);
}

#[test]
fn ports_and_protocols() {
    let api = &["shop/api"];
    let ports = |ports: &str| {
        ingress(&format!(
            "ingress: [{{fromEndpoints: [{{}}], toPorts: [{{ports: [{ports}]}}]}}]"
        ))
    };
    ports("{port: '80'}")
        .allows(api, WEB)
        .allows(api, (UDP, 80))
        .allows(api, (SCTP, 80))
        .denies(api, (ICMP, 80))
        .denies(api, (TCP, 81));
    ports("{port: '80', protocol: tcp}")
        .allows(api, WEB)
        .denies(api, (UDP, 80));
    ports("{port: '0', protocol: UDP}")
        .allows(api, (UDP, 9))
        .denies(api, (TCP, 9));
    ports("{port: '0'}")
        .allows(api, (SCTP, 9))
        .denies(api, (ICMP, 8))
        .denies(api, (47, 0));
    ports("{port: '80', endPort: 90}")
        .allows(api, (TCP, 80))
        .allows(api, (TCP, 90))
        .denies(api, (TCP, 91));
    ports("{port: '80', endPort: 0}")
        .allows(api, WEB)
        .denies(api, (TCP, 81));
    ports("{port: '80', endPort: 70}")
        .allows(api, WEB)
        .denies(api, (TCP, 75))
        .denies(api, (TCP, 81));
    ports("{port: '0', endPort: 70}").allows(api, (TCP, 75));
    ingress("ingress: [{fromEndpoints: [{}]}]")
        .allows(api, (47, 0))
        .allows(api, (ICMP, 8));
    ingress("ingress: [{fromEndpoints: [{}], toPorts: []}]").allows(api, (ICMP, 8));
}

#[test]
fn named_ports() {
    let api = &["shop/api"];
    for (direction, far) in [("ingress", "from"), ("egress", "to")] {
        let named = |name: &str, protocol: &str| {
            let side = if far == "from" {
                Direction::Ingress
            } else {
                Direction::Egress
            };
            let fields = format!(
                "{direction}: [{{{far}Endpoints: [{{}}], toPorts: [{{ports: [{{port: {name}, protocol: {protocol}}}]}}]}}]"
            );
            asked("CiliumNetworkPolicy", side, &fields)
        };
        named("web", "TCP")
            .allows(api, WEB)
            .denies(api, (TCP, 81))
            .denies(api, (UDP, 80));
        named("WEB", "ANY").allows(api, WEB).denies(api, (UDP, 80));
        named("dns", "ANY")
            .allows(api, (UDP, 53))
            .denies(api, (TCP, 53));
        named("nobody", "ANY").denies(api, WEB);
    }
}

#[test]
fn icmp_types() {
    let api = &["shop/api"];
    let types = |fields: &str| ingress(&format!("ingress: [{{icmps: [{{fields: [{fields}]}}]}}]"));
    types("{type: 8}")
        .allows(api, (ICMP, 8))
        .denies(api, (ICMP, 0))
        .denies(api, (ICMPV6, 8));
    types("{type: EchoRequest}").allows(api, (ICMP, 8));
    types("{type: EchoReply}")
        .allows(api, (ICMP, 0))
        .denies(api, (ICMP, 8));
    types("{family: IPv6, type: EchoRequest}")
        .allows(api, (ICMPV6, 128))
        .denies(api, (ICMP, 8));
    types("{type: 8}").denies(api, (TCP, 8));
}

#[test]
fn deny_beats_allow_on_any_overlap() {
    ingress(
        "ingress: [{fromEndpoints: [{}]}], ingressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]",
    )
    .denies(&["shop/api"], WEB)
    .allows(&["shop/api"], (TCP, 81));
    ingress(
        "ingress: [{toPorts: [{ports: [{port: '80'}]}]}], \
         ingressDeny: [{fromEndpoints: [{matchLabels: {app: api}}]}]",
    )
    .denies(&["shop/api"], WEB)
    .allows(&["shop/db", "192.0.2.1"], WEB);
}

#[test]
fn default_deny_can_be_switched_off() {
    ingress("ingressDeny: [{fromEntities: [world]}], enableDefaultDeny: {ingress: false}")
        .denies(&["192.0.2.1"], WEB)
        .allows(&["shop/api", "bank/api"], WEB);
    ingress("egress: [{}]").allows(&ANYONE, WEB);
    ingress("egress: [{}], enableDefaultDeny: {ingress: true}").denies(&ANYONE, WEB);
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
