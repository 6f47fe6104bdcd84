//! A world that followed every change compiles to the same as one that is new.

use std::collections::BTreeMap;

use flowd_policy::{
    Compiled, Labels, NamedPorts, PodClass, PolicySet, RuleTable, Subject, World, compile, labels,
    parse,
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::generate;

const CASES: u32 = 150;

/// One change of the world.
#[derive(Clone, Debug)]
enum Change {
    Insert(u32, Labels),
    Remove(u32),
    Ports(u32, u16),
}

fn change() -> impl Strategy<Value = Change> {
    let identity = || 256..262_u32;
    let labels = (
        select(&["shop", "bank"][..]),
        select(&["web", "api", "db"][..]),
        any::<bool>(),
    )
        .prop_map(|(namespace, app, tier)| {
            let mut user = vec![("app", app)];
            user.extend(tier.then_some(("tier", "back")));
            labels::for_endpoint(namespace, user).unwrap()
        });
    prop_oneof![
        4 => (identity(), labels).prop_map(|(identity, labels)| Change::Insert(identity, labels)),
        2 => identity().prop_map(Change::Remove),
        1 => (identity(), 79..82_u16).prop_map(|(identity, port)| Change::Ports(identity, port)),
    ]
}

fn apply(world: &mut World, change: &Change) {
    match change {
        // An identity stands for one label set, and a label set for one identity.
        Change::Insert(_, labels) if world.identities().values().any(|known| known == labels) => {}
        Change::Insert(identity, labels) => world.insert(*identity, labels.clone()),
        Change::Remove(identity) => {
            world.remove(*identity);
        }
        Change::Ports(identity, port) => {
            let ports: NamedPorts = [(6, "web", *port)].into_iter().collect();
            world.set_named_ports(*identity, ports);
        }
    }
}

/// The same world, without any memory.
fn fresh(world: &World) -> World {
    let mut fresh = World::new();
    for (&identity, labels) in world.identities() {
        fresh.insert(identity, labels.clone());
    }
    for (&identity, ports) in world.named_ports() {
        fresh.set_named_ports(identity, ports.clone());
    }
    fresh.set_classes(world.classes().clone());
    fresh.set_pod_classes(world.pod_classes().clone());
    fresh
}

/// Those of one identity, and of everyone, in turn.
fn pod_classes(policies: &PolicySet) -> BTreeMap<u32, PodClass> {
    let prefixes = policies.pod_prefixes().into_iter();
    let classes = prefixes.zip([Some(256), None].into_iter().cycle());
    let classes = classes.map(|(prefix, owner)| PodClass { prefix, owner });
    (0x0180_0000..).zip(classes).collect()
}

fn compile_all(policies: &PolicySet, world: &mut World) -> Vec<Compiled> {
    let subjects: Vec<Labels> = world
        .identities()
        .range(256..)
        .map(|(_, l)| l.clone())
        .collect();
    let mut rules = RuleTable::new();
    subjects
        .iter()
        .map(|labels| compile(policies, Subject::Endpoint { labels }, world, &mut rules).unwrap())
        .collect()
}

#[test]
fn following_changes_is_the_same_as_starting_anew() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let input = (generate::file(), vec(change(), 1..20));
    let result = TestRunner::new_with_rng(config, rng).run(&input, |(text, changes)| {
        let policies: PolicySet = parse("p.yaml", &text).unwrap().into_iter().collect();
        let mut world = World::new();
        world.set_classes((0x0100_0000..).zip(policies.prefixes()).collect());
        world.set_pod_classes(pod_classes(&policies));
        for change in &changes {
            apply(&mut world, change);
            let expected = compile_all(&policies, &mut fresh(&world));
            if compile_all(&policies, &mut world) != expected {
                return Err(TestCaseError::fail(format!("after {change:?}\n{text}")));
            }
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
