//! What changes and what does not, for one connection at a time.

use std::sync::Arc;

use flowd_abi::{Address, Connection, ConnectionKey, Direction, protocol::TCP};
use flowd_policy::{NamedPorts, PolicySet, labels, parse};
use flowd_proto::flowd::v1::{DiffReason, DiffRequest, DiffResponse};

use super::{Live, RehearseError, answer};
use crate::{
    flow::log,
    serve::status::Mode,
    why::{PolicyView, Workload},
};

const FILE: &str = "shop.yaml";

fn policy(name: &str, peer: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: \
         shop}}\nspec: {{endpointSelector: {{matchLabels: {{app: web}}}}, ingress: \
         [{{fromEndpoints: [{{matchLabels: {{app: {peer}}}}}]}}]}}\n"
    )
}

fn workload(name: &str, last: u8) -> Workload {
    Workload {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        labels: labels::for_endpoint("shop", [("app", name)]).expect("labels"),
        addresses: vec![[10, 0, 0, last].into()],
        ports: NamedPorts::default(),
        generation: 1,
        mode: Mode::Enforce,
    }
}

fn view() -> PolicyView {
    let text = policy("web", "api");
    PolicyView {
        policies: PolicySet::new(parse(FILE, &text).expect("valid")),
        workloads: vec![workload("web", 1), workload("api", 2), workload("db", 3)],
        host: Vec::new(),
        files: [(FILE.to_owned(), Arc::from(text))].into(),
        ..PolicyView::default()
    }
}

/// A connection to the web from this address.
fn to_web(last: u8, port: u16) -> (ConnectionKey, Connection) {
    let key = ConnectionKey {
        endpoint: 256,
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, 0, 0, last]),
        local_port: port,
        remote_port: 40_000,
        protocol: TCP,
        ..ConnectionKey::default()
    };
    let origin = Direction::Ingress as u8;
    (
        key,
        Connection {
            origin,
            ..Connection::default()
        },
    )
}

fn ask(yaml: &str, delete: &[&str]) -> Result<DiffResponse, RehearseError> {
    let live = Live {
        connections: vec![to_web(2, 80), to_web(2, 80), to_web(3, 80), to_web(9, 81)],
        denied: Vec::new(),
    };
    let request = DiffRequest {
        yaml: yaml.to_owned(),
        delete: delete.iter().map(|&name| name.to_owned()).collect(),
        ..DiffRequest::default()
    };
    let (_writer, log) = log::new(1024);
    answer(&view(), &live, &log, &request, 0)
}

#[test]
fn what_is_cut_comes_before_what_is_let_through() {
    let answer = ask(&policy("web", "db"), &[]).expect("an answer");
    assert_eq!(answer.connections, 4);
    let [cut, opened] = answer.changes.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (cut.source.as_str(), cut.destination.as_str(), cut.port),
        ("shop/api", "shop/web", 80)
    );
    assert_eq!(cut.connections, 2);
    let (before, after) = (
        cut.before.clone().expect("before"),
        cut.after.clone().expect("after"),
    );
    assert!(before.passes && !after.passes);
    assert_eq!(before.reason(), DiffReason::Allowed);
    assert!(before.by[0].contains("spec.ingress[0]"), "{before:?}");
    assert_eq!(after.reason(), DiffReason::DefaultDenied);
    assert_eq!(after.by, ["CiliumNetworkPolicy/shop/web"]);
    assert_eq!(opened.source, "shop/db");
    assert!(opened.after.as_ref().is_some_and(|after| after.passes));
}

#[test]
fn the_same_policies_change_nothing() {
    let answer = ask(&policy("web", "api"), &[]).expect("an answer");
    assert_eq!(answer.changes, []);
    assert_eq!((answer.connections, answer.unknown), (4, 0));
}

#[test]
fn a_deleted_policy_lets_everybody_through() {
    let answer = ask("", &["shop/web"]).expect("an answer");
    let sources: Vec<&str> = answer
        .changes
        .iter()
        .map(|change| change.source.as_str())
        .collect();
    assert_eq!(sources, ["10.0.0.9", "shop/db"]);
    let after = answer.changes[0].after.clone().expect("after");
    assert_eq!(after.reason(), DiffReason::Unenforced);
    let gone = ask("", &["nobody"]).expect_err("nothing of that name");
    assert!(gone.to_string().contains("no policy in force"), "{gone}");
    assert!(matches!(
        ask("kind: Nothing", &[]),
        Err(RehearseError::Invalid(_))
    ));
}
