//! Every wrong policy of the table, given to a running daemon: each is reported with its place, and
//! nothing changes in what is enforced.

mod support;
#[path = "../policy/tests/wrong/table.rs"]
#[allow(
    dead_code,
    reason = "the findings are compared elsewhere, word by word"
)]
mod table;

use std::{collections::BTreeSet, net::IpAddr};

use flowd_proto::flowd::v1::{EndpointStatus, PolicyStatus};
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use support::{Api, PATIENCE, SILENCE, Scene, eventually, policy, put, when};

const FRONTEND_ONLY: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}]}]";

/// What is enforced: endpoints with their generations, and the policies behind them.
fn enforced(api: &Api) -> (Vec<EndpointStatus>, Vec<PolicyStatus>) {
    let status = api.status().expect("a status");
    let mut policies = status.policies;
    for policy in &mut policies {
        // The connections below are hits.
        (policy.hits, policy.last_hit) = (0, None);
        policy.rules.clear();
    }
    (status.endpoints, policies)
}

#[test]
fn no_wrong_policy_changes_what_is_enforced_and_each_is_reported() {
    let mut scene = Scene::new();
    let [frontend, backend, stranger] =
        ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let yaml = policy("web", "backend", FRONTEND_ONLY);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let api = scene.api();
    let any: IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
    let connects = |from: &flowd_testbed::Pod, patience| {
        let outcome = tcp_connect(&from.namespace, backend.ipv4, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    };
    assert!(connects(&frontend, PATIENCE) && !connects(&stranger, SILENCE));
    let before = enforced(&api);

    // What only lacks an object of its own kind to be useful is no wrong file to a daemon.
    let wrong = |case: &table::Case| flowd_policy::read("x.yaml", &case.text).is_err();
    let mut files = BTreeSet::new();
    for (number, case) in table::cases().iter().filter(|case| wrong(case)).enumerate() {
        let name = format!("wrong-{number:03}.yaml");
        put(&scene.flowd.policies().join(&name), &case.text);
        files.insert(name);
    }
    assert!(files.len() >= 100, "{}", files.len());
    eventually("a complaint about each file", || {
        let errors = api.status()?.source_errors;
        let told: BTreeSet<String> = errors
            .iter()
            .filter_map(|error| Some(error.file.rsplit('/').next()?.to_owned()))
            .collect();
        when(
            told == files,
            files.difference(&told).cloned().collect::<Vec<_>>(),
        )
    });
    assert_eq!(enforced(&api), before);
    assert!(connects(&frontend, PATIENCE) && !connects(&stranger, SILENCE));
    println!("{} wrong files, none of them in force", files.len());
}
