//! Policies through the API: in force when the call returns, kept over restarts, and undone when
//! nobody confirms them, whoever dies in between.

mod support;

use flowd_testbed::{
    Pod,
    traffic::{Outcome, TcpEcho, tcp_connect},
};
use support::{PATIENCE, SILENCE, Scene, eventually, policy, when};
use tonic::Code;

const PORT: u16 = 8080;

/// A policy that lets `peer` alone reach the backend.
fn only(peer: &str) -> String {
    let rule = format!("ingress: [{{fromEndpoints: [{{matchLabels: {{app: {peer}}}}}]}}]");
    policy("backend", "backend", &rule)
}

fn shop() -> (Scene, Pod, Pod, TcpEcho) {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let server = TcpEcho::start(&backend.namespace, backend.ipv4, PORT).expect("a server");
    scene.launch();
    (scene, frontend, backend, server)
}

fn reaches(from: &Pod, to: &Pod) -> bool {
    let outcome = tcp_connect(&from.namespace, to.ipv4, PORT, SILENCE).expect("a try");
    outcome == Outcome::Connected
}

#[test]
fn an_applied_policy_is_in_force_at_once_and_after_a_restart() {
    let (mut scene, frontend, backend, _server) = shop();
    assert!(reaches(&frontend, &backend));
    let answer = scene.api().apply(&only("nobody"), 0).expect("applied");
    assert_eq!(answer.applied, ["CiliumNetworkPolicy/shop/backend"]);
    assert!(answer.generation > 0 && answer.confirmation.is_empty());
    assert!(!reaches(&frontend, &backend));

    scene.flowd.kill9().expect("killed");
    assert!(!reaches(&frontend, &backend));
    scene.launch();
    assert!(!reaches(&frontend, &backend));
    let listed = scene.api().policies();
    assert!(
        listed
            .iter()
            .any(|one| one.applied && one.yaml.contains("app: nobody")),
        "{listed:?}"
    );

    scene.api().delete("shop/backend").expect("deleted");
    assert!(reaches(&frontend, &backend));
    let again = scene.api().delete("shop/backend").expect_err("gone");
    assert_eq!(again.code(), Code::NotFound);
}

#[test]
fn a_change_nobody_confirms_is_undone() {
    let (scene, frontend, backend, _server) = shop();
    let api = scene.api();
    api.apply(&only("frontend"), 0).expect("applied");
    let answer = api.apply(&only("nobody"), 1).expect("applied");
    assert!(!answer.confirmation.is_empty() && answer.undone_at.is_some());
    eventually("the change is undone", || {
        when(reaches(&frontend, &backend), "still cut off")
    });
    let late = api.confirm(&answer.confirmation).expect_err("too late");
    assert_eq!(late.code(), Code::NotFound);
}

#[test]
fn a_confirmed_change_stays_although_its_time_is_over() {
    let (scene, frontend, backend, _server) = shop();
    let api = scene.api();
    let answer = api.apply(&only("nobody"), 2).expect("applied");
    api.confirm(&answer.confirmation).expect("confirmed");
    let undone_at = answer.undone_at.expect("a time").unix_nanos();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    eventually("its time is over", || {
        let now = now().expect("after 1970").as_nanos();
        when(now > u128::from(undone_at) + 3_000_000_000, now)
    });
    assert!(!reaches(&frontend, &backend));
}

#[test]
fn a_daemon_killed_before_the_confirmation_undoes_the_change_when_it_comes_back() {
    let (mut scene, frontend, backend, _server) = shop();
    let answer = scene.api().apply(&only("nobody"), 3).expect("applied");
    scene.flowd.kill9().expect("killed");
    assert!(
        !reaches(&frontend, &backend),
        "a dead daemon changes no verdict"
    );
    let undone_at = answer.undone_at.expect("a time").unix_nanos();
    eventually("its time is over", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        when(
            now.expect("after 1970").as_nanos() > u128::from(undone_at),
            "not yet",
        )
    });
    scene.launch();
    assert!(reaches(&frontend, &backend), "undone within {PATIENCE:?}");
}

#[test]
fn a_refused_change_changes_nothing() {
    let (scene, frontend, backend, _server) = shop();
    scene.enforce("files", &only("frontend"));
    let api = scene.api();
    let misspelt = only("nobody").replace("fromEndpoints", "fromEndpoint");
    let wrong = api.apply(&misspelt, 0).expect_err("invalid");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(
        wrong.message().contains("(applied):"),
        "{}",
        wrong.message()
    );
    let taken = api
        .apply(&only("nobody"), 0)
        .expect_err("in the policy directory");
    assert_eq!(taken.code(), Code::FailedPrecondition);
    assert!(reaches(&frontend, &backend));
    assert!(api.status().expect("a status").healthy);
}
