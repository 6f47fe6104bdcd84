//! The example policies mean what their cases say, and both engines say so.

use std::{fs, path::PathBuf};

use flowd_abi::{Action, Direction};
use flowd_policy::{
    Labels, PolicySet, RuleTable, Subject, Target, World,
    cases::{Case, CaseAnswer, Expected, Named, Verdict, WrittenWorld},
    cidr, compile, read,
};

/// Fewer examples than this would not cover the language.
const EXAMPLES: usize = 40;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples/policies")
}

fn text(path: &str) -> String {
    fs::read_to_string(directory().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(directory()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_example_means_what_its_cases_say() {
    let written = WrittenWorld::read("world.yaml", &text("cases/world.yaml")).unwrap();
    let names = names();
    assert!(names.len() >= EXAMPLES, "{}", names.len());
    let mut cases = 0;
    for name in names {
        let contents = read(&name, &text(&name)).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let policies = PolicySet::assemble(&[contents, written.services.clone()]);
        let mut real = real_world(&written, &policies);
        let asked = Case::read(&name, &text(&format!("cases/{name}"))).unwrap();
        let expected: Vec<Expected> = asked
            .iter()
            .map(|case| case.expect.verdict.unwrap())
            .collect();
        assert!(
            expected.contains(&Expected::Allowed),
            "{name}: nothing is allowed"
        );
        assert!(
            expected.contains(&Expected::Denied),
            "{name}: nothing is denied"
        );
        for case in &asked {
            let answer = written.ask(&policies, case).unwrap();
            let differences = answer.differences(case);
            assert!(
                differences.is_empty(),
                "{name}: {differences:?} {answer:#?}"
            );
            entries_agree(&written, &policies, &mut real, case, &answer);
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert!(cases > 3 * EXAMPLES, "{cases}");
}

#[test]
fn the_list_of_examples_names_each() {
    let list = text("README.md");
    for name in names() {
        assert!(list.contains(&format!("]({name})")), "{name}");
    }
}

/// The written world as the daemon would number it.
fn real_world(written: &WrittenWorld, policies: &PolicySet) -> World {
    let mut world = World::new();
    for (identity, endpoint) in (256..).zip(written.endpoints.values()) {
        world.insert(identity, endpoint.labels.clone());
        world.set_named_ports(identity, endpoint.ports.clone());
    }
    world.set_classes((0x0100_0000..).zip(policies.prefixes()).collect());
    for node in written.nodes.values() {
        world.insert(1, node.labels.clone());
    }
    let addresses = (256..)
        .zip(written.endpoints.values())
        .flat_map(|(identity, endpoint)| endpoint.addresses.iter().map(move |ip| (identity, *ip)));
    let classes = cidr::pod_classes_in_use(&policies.pod_prefixes(), addresses);
    world.set_pod_classes((0x0180_0000..).zip(classes).collect());
    world
}

fn entries_agree(
    written: &WrittenWorld,
    policies: &PolicySet,
    world: &mut World,
    case: &Case,
    answer: &CaseAnswer,
) {
    for (direction, subject, peer, end) in [
        (Direction::Egress, &case.from, &case.to, &answer.egress),
        (Direction::Ingress, &case.to, &case.from, &answer.ingress),
    ] {
        let node = subject.strip_prefix("node:");
        let node = node.and_then(|name| written.nodes.get(name));
        let endpoint = written.endpoints.get(subject);
        let (Some(Named { labels, .. }), kind) = (endpoint.or(node), endpoint.is_some()) else {
            assert_eq!(end.verdict, Verdict::Unenforced);
            continue;
        };
        let subject = match kind {
            true => Subject::Endpoint { labels },
            false => Subject::Node { labels },
        };
        let mut rules = RuleTable::new();
        let compiled = compile(policies, subject, world, &mut rules).unwrap();
        let verdict = match compiled.direction(direction) {
            None => Verdict::Unenforced,
            Some(compiled) => match compiled.lookup(target(written, world, peer, case)) {
                Some(hit) if hit.action == Action::Allow => Verdict::Allowed,
                Some(_) | None => Verdict::Denied,
            },
        };
        assert_eq!(verdict, end.verdict, "{direction:?} of {case:?}");
    }
}

fn target(written: &WrittenWorld, world: &World, peer: &str, case: &Case) -> Target {
    let number = |labels: &Labels| {
        let found = world
            .identities()
            .iter()
            .find(|(_, known)| *known == labels);
        *found.unwrap().0
    };
    let (identity, class) = if let Some(endpoint) = written.endpoints.get(peer) {
        let address = endpoint.addresses[0];
        let identity = number(&endpoint.labels);
        (
            identity,
            cidr::pod_class_of(world.pod_classes(), identity, address),
        )
    } else if let Some(name) = peer
        .strip_prefix("reserved:")
        .or(peer.starts_with("node:").then_some("host"))
    {
        let reserved = |labels: &Labels| labels.is_reserved(name);
        let found = world
            .identities()
            .iter()
            .rfind(|(_, labels)| reserved(labels));
        let own = world
            .identities()
            .iter()
            .find(|(_, labels)| reserved(labels) && labels.len() == 1);
        (*own.or(found).unwrap().0, 0)
    } else {
        let address = written.externals.get(peer).copied();
        let address = address.unwrap_or_else(|| peer.parse().unwrap());
        (2, cidr::class_of(world.classes(), address))
    };
    Target {
        identity,
        class,
        protocol: case.protocol,
        port: case.port,
    }
}

#[test]
fn answers_are_written_as_json() {
    let written = WrittenWorld::read("world.yaml", &text("cases/world.yaml")).unwrap();
    let name = "01-backend-from-frontend.yaml";
    let policies: PolicySet = read(name, &text(name))
        .unwrap()
        .policies
        .into_iter()
        .collect();
    let cases = "[{id: 1, from: shop/frontend, to: shop/catalog, protocol: TCP, port: 8080}]";
    let case = &Case::read("cases.yaml", cases).unwrap()[0];
    assert_eq!(
        serde_json::to_string(&written.ask(&policies, case).unwrap()).unwrap(),
        r#"{"id":"1","egress":{"verdict":"unenforced","reason":"no policy selects the workload","policies":[]},"ingress":{"verdict":"allowed","reason":"allowed by a rule","policies":["CiliumNetworkPolicy/shop/catalog"]},"allowed":true}"#
    );
}

#[test]
fn wrong_worlds_and_cases_are_refused_with_their_place() {
    let world = |text| WrittenWorld::read("w.yaml", text).unwrap_err()[0].to_string();
    assert_eq!(
        world("endpoints: [{name: a, labels: {app: 'x y'}}]"),
        "w.yaml:1:13: endpoints[0]: value \"x y\" of label \"app\" is not valid: it may hold letters, \
         digits, '-', '_' and '.', and must start and end with a letter or a digit (write labels as \
         Kubernetes does)"
    );
    assert_eq!(
        world("externals: [{name: a, ip: b}]"),
        "w.yaml:1:27: externals[0].ip: is not an address (write an IP address)"
    );
    let cases = |text| Case::read("c.yaml", text).unwrap_err()[0].to_string();
    assert_eq!(
        cases("[{id: a, from: b, to: c, protocol: TCP}]"),
        "c.yaml:1:2: [0]: port is missing (write a number)"
    );
    assert_eq!(
        cases("[{id: a, from: b, to: c, protocol: TCP, port: 1, expect: {egress: dropped}}]"),
        "c.yaml:1:67: [0].expect.egress: \"dropped\" is not the verdict of an end (use allowed, \
         denied or unenforced)"
    );
    assert_eq!(
        cases("[{id: a, from: b, to: c, protocol: ICMP, icmpType: 256}]"),
        "c.yaml:1:52: [0].icmpType: is out of range (write a number from 0 to 255)"
    );
    let case = &Case::read(
        "c.yaml",
        "[{id: a, from: b, to: c, protocol: TCP, port: 1}]",
    )
    .unwrap()[0];
    let unknown = WrittenWorld::default()
        .ask(&PolicySet::default(), case)
        .unwrap_err();
    assert!(
        unknown
            .to_string()
            .starts_with("c.yaml:1:1: a: the world has no \"b\""),
        "{unknown}"
    );
}

#[test]
fn each_end_may_be_expected() {
    let written = WrittenWorld::read("world.yaml", &text("cases/world.yaml")).unwrap();
    let name = "01-backend-from-frontend.yaml";
    let policies: PolicySet = read(name, &text(name))
        .unwrap()
        .policies
        .into_iter()
        .collect();
    let differences = |expect: &str| {
        let cases = format!(
            "[{{id: 1, from: shop/batch, to: shop/catalog, protocol: TCP, port: 8080, expect: {expect}}}]"
        );
        let case = &Case::read("cases.yaml", &cases).unwrap()[0];
        written.ask(&policies, case).unwrap().differences(case)
    };
    let right = "{verdict: denied, egress: unenforced, ingress: {verdict: denied, policies: \
                 [CiliumNetworkPolicy/shop/catalog]}}";
    assert_eq!(differences(right), [""; 0]);
    let wrong = "{verdict: allowed, egress: allowed, ingress: {verdict: allowed, policies: []}}";
    assert_eq!(
        differences(wrong),
        [
            "expected allowed, is denied",
            "egress expected allowed, is unenforced",
            "ingress expected allowed, is denied",
            "ingress expected of nobody, is of CiliumNetworkPolicy/shop/catalog",
        ]
    );
}
