//! A large cluster: what is compiled is right, and stays right as identities come and go. Prints
//! how long it took; nothing depends on it.

use std::time::Instant;

use flowd_abi::protocol::TCP;
use flowd_policy::{
    CompileError, PolicySet, RuleTable, Subject, Target, World, compile, labels, parse,
};

const NAMESPACES: u32 = 100;
const APPS: u32 = 100;
const POLICIES: u32 = 5_000;
const FIRST: u32 = 256;

/// Policy n lets app n talk to app n + 1 of its namespace, on port 1000 + n.
fn policies() -> PolicySet {
    let text: String = (0..POLICIES)
        .map(|n| {
            let (namespace, app) = (n % NAMESPACES, n / NAMESPACES);
            format!(
                "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n\
                 metadata: {{name: p{n}, namespace: ns{namespace}}}\nspec:\n  \
                 endpointSelector: {{matchLabels: {{app: app{}}}}}\n  ingress:\n  \
                 - fromEndpoints: [{{matchLabels: {{app: app{app}}}}}]\n    \
                 toPorts: [{{ports: [{{port: '{}', protocol: TCP}}]}}]\n",
                app + 1,
                1000 + app,
            )
        })
        .collect();
    parse("large.yaml", &text).unwrap().into_iter().collect()
}

fn identity(namespace: u32, app: u32) -> u32 {
    FIRST + namespace * APPS + app
}

fn world() -> World {
    let mut world = World::new();
    for namespace in 0..NAMESPACES {
        for app in 0..APPS {
            let name = format!("app{app}");
            let labels = labels::for_endpoint(&format!("ns{namespace}"), [("app", name.as_str())]);
            world.insert(identity(namespace, app), labels.unwrap());
        }
    }
    world
}

#[test]
fn ten_thousand_identities_and_five_thousand_policies() {
    let started = Instant::now();
    let policies = policies();
    println!("read {POLICIES} policies: {:?}", started.elapsed());

    let mut world = world();
    let mut rules = RuleTable::new();
    let started = Instant::now();
    let subjects: Vec<_> = world
        .identities()
        .range(FIRST..)
        .map(|(id, l)| (*id, l.clone()))
        .collect();
    let mut enforced = 0;
    for (identity, labels) in &subjects {
        let subject = Subject::Endpoint { labels };
        let compiled = compile(&policies, subject, &mut world, &mut rules).unwrap();
        assert_eq!(compiled.egress, None);
        let Some(ingress) = compiled.ingress else {
            continue;
        };
        enforced += 1;
        let app = (identity - FIRST) % APPS;
        let target = |identity, port| Target {
            identity,
            class: 0,
            protocol: TCP,
            port,
        };
        let port = u16::try_from(1000 + app - 1).unwrap();
        assert!(
            ingress.lookup(target(identity - 1, port)).is_some(),
            "{identity}"
        );
        assert!(
            ingress.lookup(target(identity - 1, port + 1)).is_none(),
            "{identity}"
        );
        assert!(
            ingress.lookup(target(identity + 1, port)).is_none(),
            "{identity}"
        );
    }
    println!(
        "compiled for {} endpoints: {:?}",
        subjects.len(),
        started.elapsed()
    );
    assert_eq!(enforced, POLICIES);

    let started = Instant::now();
    let labels = labels::for_endpoint("ns7", [("app", "app3"), ("canary", "yes")]).unwrap();
    world.insert(FIRST - 1, labels);
    let subject = world.identities()[&identity(7, 4)].clone();
    let compiled = compile(
        &policies,
        Subject::Endpoint { labels: &subject },
        &mut world,
        &mut rules,
    )
    .unwrap();
    println!(
        "one endpoint more, and its peer compiled again: {:?}",
        started.elapsed()
    );
    let peers: Vec<u32> = compiled
        .ingress
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.peer())
        .collect();
    assert_eq!(peers, [FIRST - 1, identity(7, 3)]);
}

#[test]
fn more_entries_than_a_table_holds_are_refused() {
    let mut world = World::new();
    for n in 0..70_000 {
        let app = format!("a{n}");
        let labels = labels::for_endpoint("shop", [("app", app.as_str())]).unwrap();
        world.insert(FIRST + n, labels);
    }
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\n\
                spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: \
                [{port: '1', endPort: 65534, protocol: TCP}]}]}]}\n";
    let policies: PolicySet = parse("p.yaml", text).unwrap().into_iter().collect();
    let labels = world.identities()[&FIRST].clone();
    let subject = Subject::Endpoint { labels: &labels };
    let error = compile(&policies, subject, &mut world, &mut RuleTable::new()).unwrap_err();
    assert_eq!(error, CompileError::TooManyEntries);
}
