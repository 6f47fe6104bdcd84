//! Who has a say, and what survives.

use std::sync::Arc;

use flowd_policy::read;

use super::*;
use crate::endpoints::{EndpointSpec, parse};
use crate::serve::status::Mode;

fn spec(name: &str, mode: &str) -> EndpointSpec {
    let text = format!(
        "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         addresses: [10.0.0.1]\n  attach: {{interface: {name}}}\n{mode}"
    );
    parse("e.yaml", &text).expect("valid").remove(0)
}

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations: \
                         {flowd.io/mode: audit}\n";

fn settled(overrides: &Overrides, namespace: &str) -> Vec<(Mode, ModeSource)> {
    let mut specs = [spec("quiet", ""), spec("loud", "  mode: enforce\n")].map(Arc::new);
    let contents = read("ns.yaml", namespace).expect("valid");
    settle(&mut specs, overrides, [contents].iter());
    specs
        .iter()
        .map(|spec| (spec.mode, spec.mode_source))
        .collect()
}

#[test]
fn the_nearer_setting_wins() {
    let root = tempfile::tempdir().expect("a directory");
    let store = ModeStore::open(&root.path().join("modes.json")).expect("new");
    let loud = (Mode::Enforce, ModeSource::EndpointFile);
    let none = settled(&store.snapshot(), "");
    assert_eq!(none, [(Mode::Enforce, ModeSource::Default), loud]);
    let written = settled(&store.snapshot(), NAMESPACE);
    assert_eq!(written, [(Mode::Audit, ModeSource::NamespaceFile), loud]);
    let labelled = NAMESPACE.replace("annotations", "labels");
    assert_eq!(settled(&store.snapshot(), &labelled), written);
    let target = |text: &str| text.parse::<Target>().expect("a target");
    let shop = target("namespace/shop");
    assert_eq!(store.set(&shop, Mode::Off).expect("kept"), None);
    let set = settled(&store.snapshot(), NAMESPACE);
    assert_eq!(set, [(Mode::Off, ModeSource::Namespace), loud]);
    store
        .set(&target("endpoint/shop/loud"), Mode::Audit)
        .expect("kept");
    let own = settled(&store.snapshot(), NAMESPACE);
    assert_eq!(own[1], (Mode::Audit, ModeSource::Endpoint));
    // The next daemon knows the same.
    let next = ModeStore::open(&root.path().join("modes.json")).expect("readable");
    assert_eq!(next.snapshot(), store.snapshot());
    assert_eq!(next.clear(&shop).expect("set"), Mode::Off);
    assert!(matches!(next.clear(&shop), Err(StoreError::NotSet(_))));
    assert_eq!(settled(&next.snapshot(), NAMESPACE)[0], written[0]);
}

#[test]
fn what_is_no_target_or_no_file_is_refused() {
    for text in [
        "shop",
        "namespace/",
        "endpoint/shop",
        "pod/shop/web",
        "namespace/a/b",
    ] {
        let error = text.parse::<Target>().expect_err(text);
        assert!(error.to_string().contains("endpoint/NAMESPACE/NAME"));
    }
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("modes.json");
    std::fs::write(&path, "{").expect("written");
    assert!(ModeStore::open(&path).is_err());
    let wrong = read("ns.yaml", &NAMESPACE.replace("audit", "adit")).expect_err("no mode");
    let text = wrong[0].to_string();
    assert!(
        text.contains("\"adit\" is not a mode") && text.contains("audit"),
        "{text}"
    );
}
