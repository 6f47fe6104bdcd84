//! Who a rule is about.

use flowd_abi::protocol::TCP;

use crate::{ANYONE, WEB, clusterwide, egress, ingress};

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
