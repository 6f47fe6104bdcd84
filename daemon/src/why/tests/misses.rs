//! The nearest allow, for each way to miss.

use flowd_proto::flow::Verdict;
use flowd_proto::flowd::v1::MissedField;

use super::*;

/// The nearest rule, what it missed, and the hints.
fn nearest(end: &WhyEnd) -> (String, Vec<(MissedField, String)>) {
    assert_eq!(end.verdict(), Verdict::Dropped, "{end:?}");
    assert_eq!(end.reason, "default_denied");
    assert_eq!(end.default_denied_by.len(), 1);
    let near = &end.near_misses[0];
    let policy = near.rule.as_ref().unwrap();
    let missed = near.missed.iter();
    let missed = missed.map(|missed| (missed.field(), missed.hint.clone()));
    (format!("{} {}", policy.name, near.path), missed.collect())
}

#[track_caller]
fn misses(from: &str, what: &str, rule: &str, field: MissedField, hint: &str) {
    let end = Shop::new().at_backend(from, what);
    let (near, missed) = nearest(&end);
    assert_eq!(near, rule);
    assert_eq!(missed, [(field, hint.to_owned())], "{:?}", end.near_misses);
}

#[test]
fn a_port_just_outside_a_range() {
    for (port, hint) in [
        ("TCP/9011", "9011 is 1 above the range 9000-9010"),
        ("TCP/8999", "8999 is 1 below the range 9000-9010"),
    ] {
        let rule = "backend spec.ingress[0]";
        misses("shop/frontend-1", port, rule, MissedField::Port, hint);
    }
}

#[test]
fn a_default_deny_says_what_in_the_policy_denies() {
    let end = Shop::new().at_backend("shop/slip-1", "TCP/9000");
    let [denier] = end.default_denied_by.as_slice() else {
        panic!("{end:?}");
    };
    assert_eq!(
        denier.because,
        ["spec selects app=backend, and denies what its 2 ingress rules do not allow"]
    );
}

#[test]
fn a_protocol() {
    let hint = "port 9000 is covered for TCP";
    let rule = "backend spec.ingress[0]";
    let field = MissedField::Protocol;
    misses("shop/frontend-1", "UDP/9000", rule, field, hint);
}

#[test]
fn a_label_one_character_off() {
    let hint = "app=fronted is one character off app=frontend: a slip?";
    let rule = "backend spec.ingress[0]";
    let field = MissedField::PeerLabel;
    misses("shop/slip-1", "TCP/9000", rule, field, hint);
}

#[test]
fn an_address_beside_a_block_or_cut_out_of_it() {
    let rule = "backend spec.ingress[1]";
    let field = MissedField::PeerAddress;
    let hint = "192.0.2.200 is in the block beside it: 192.0.2.0/24 holds both";
    misses("192.0.2.200", "TCP/1", rule, field, hint);
    let hint = "192.0.2.9 is excepted by 192.0.2.8/29";
    misses("192.0.2.9", "TCP/1", rule, field, hint);
}

#[test]
fn the_other_direction() {
    let shop = Shop::new();
    let end = shop.at_backend("shop/frontend-1", "TCP/8443");
    let near: Vec<_> = end
        .near_misses
        .iter()
        .map(|near| (near.path.as_str(), near.missed[0].field()))
        .collect();
    assert!(
        near.contains(&("spec.egress[0]", MissedField::Direction)),
        "{near:?}"
    );
}

#[test]
fn a_subject_one_character_off() {
    let shop = Shop::new();
    let end = shop.at_backend("shop/slip-1", "TCP/7000");
    let (near, missed) = nearest(&end);
    assert_eq!(near, "backends spec.ingress[0]");
    let hint = "app=backend is one character off app=backends: a slip?";
    assert_eq!(missed, [(MissedField::SubjectLabel, hint.to_owned())]);
}

#[test]
fn a_workload_in_a_cidr() {
    let mut shop = Shop::new();
    shop.view.workloads[2].addresses = vec!["192.0.2.1".parse().unwrap()];
    let end = shop.at_backend("shop/slip-1", "UDP/1");
    let hints: Vec<&str> = end
        .near_misses
        .iter()
        .flat_map(|near| &near.missed)
        .map(|missed| missed.hint.as_str())
        .collect();
    assert!(
        hints
            .iter()
            .any(|hint| hint.starts_with("192.0.2.1 belongs to a workload or to the host")),
        "{hints:?}"
    );
}

#[test]
fn what_is_suggested_would_allow_it() {
    let mut shop = Shop::new();
    let end = shop.at_backend("shop/slip-1", "TCP/9000");
    let text = format!("{POLICY}---\n{}", end.suggestion);
    shop.view.policies = PolicySet::new(parse("shop.yaml", &text).unwrap());
    let end = shop.at_backend("shop/slip-1", "TCP/9000");
    assert_eq!(end.verdict(), Verdict::Forwarded, "{text}");
    assert_eq!((end.near_misses.len(), end.suggestion.as_str()), (0, ""));
}

#[test]
fn a_deny_over_an_allow_names_both_and_suggests_nothing() {
    let end = Shop::new().at_backend("shop/frontend-1", "TCP/9005");
    assert_eq!(end.reason, "rule_denied");
    let excerpt = end.rules[0].excerpt.as_ref().unwrap();
    assert_eq!(end.rules[0].path, "spec.ingressDeny[0]");
    assert_eq!(
        excerpt.yaml,
        "- toPorts: [{ports: [{port: \"9005\", protocol: TCP}]}]\n"
    );
    assert_eq!(end.overridden.len(), 1);
    assert_eq!(end.overridden[0].path, "spec.ingress[0]");
    assert_eq!((end.near_misses.len(), end.suggestion.as_str()), (0, ""));
}
