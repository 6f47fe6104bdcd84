//! `flowctl why` on what really happened: the rule that decided, what almost allowed it, and what
//! would.

mod support;

use std::net::IpAddr;

use flowd_proto::{
    flow::{TrafficDirection, Verdict},
    flowd::v1::{MissedField, WhyBasis, WhyEnd, WhyResponse},
};
use flowd_testbed::{
    Pod,
    traffic::{Outcome, TcpEcho, tcp_connect},
};
use support::{PATIENCE, SILENCE, Scene, eventually, flow_of, policy, text, when};

const BACKEND: &str = "ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: \"8080\", endPort: 8090, protocol: TCP}]}]
  ingressDeny:
  - toPorts: [{ports: [{port: \"8085\", protocol: TCP}]}]";

/// A backend under policy, a frontend, one whose label has a slip, and an audited one.
struct Shop {
    scene: Scene,
    frontend: Pod,
    slip: Pod,
    backend: Pod,
    audited: Pod,
    _servers: Vec<TcpEcho>,
}

impl Shop {
    fn open() -> Self {
        let mut scene = Scene::new();
        let [frontend, slip, backend, audited] =
            ["frontend", "fronted", "backend", "audited"].map(|name| scene.pod(name));
        scene.edit_endpoint(&audited, |text| {
            text.replace("mode: enforce", "mode: audit")
        });
        for app in ["backend", "audited"] {
            let yaml = policy(app, app, BACKEND);
            scene.flowd.write_policy(app, &yaml).expect("written");
        }
        scene.launch();
        let any: IpAddr = "::".parse().expect("an address");
        let servers = [&backend, &audited]
            .map(|pod| TcpEcho::start(&pod.namespace, any, 8080).expect("listens"));
        Self {
            scene,
            frontend,
            slip,
            backend,
            audited,
            _servers: servers.into(),
        }
    }

    /// A connection that is let through, or not.
    fn connect(&self, from: &Pod, to: &Pod, port: u16, passes: bool) {
        let patience = if passes { PATIENCE } else { SILENCE };
        let address = to.ipv4;
        let outcome = tcp_connect(&from.namespace, address, port, patience).expect("attempted");
        let passed = matches!(outcome, Outcome::Connected | Outcome::Refused);
        assert_eq!(passed, passes, "{outcome:?}");
    }

    fn ask(&self, words: &[&str]) -> WhyResponse {
        let all = [&["why", "-o", "json"], words].concat();
        let json = self.scene.lines(&all).join("\n");
        serde_json::from_str(&json).expect("an answer")
    }

    /// What is said of a connection at the destination, once it is a flow.
    fn at_destination(&self, from: &Pod, to: &Pod, port: u16) -> WhyEnd {
        let (from, to) = (format!("shop/{}", from.name), format!("shop/{}", to.name));
        let what = format!("TCP/{port}");
        eventually("the flow is in the log", || {
            let answer = self.ask(&[&from, &to, &what]);
            let end = answer
                .ends
                .into_iter()
                .find(|end| end.direction() == TrafficDirection::Ingress);
            let end = end.ok_or("no such end")?;
            when(end.basis() == WhyBasis::Flow, end)
        })
    }

    fn printed(&self, words: &[&str]) -> String {
        self.scene.lines(&[&["why"], words].concat()).join("\n")
    }
}

fn missed(end: &WhyEnd) -> (MissedField, &str) {
    let near = &end.near_misses[0];
    assert_eq!(near.path, "spec.ingress[0]");
    assert_eq!(near.missed.len(), 1, "{near:?}");
    (near.missed[0].field(), &near.missed[0].hint)
}

#[test]
fn denials_are_explained_and_the_suggested_policy_is_the_remedy() {
    let shop = Shop::open();
    let Shop {
        frontend,
        slip,
        backend,
        ..
    } = &shop;
    // A default deny, whose nearest allow is one label away.
    shop.connect(slip, backend, 8080, false);
    let end = shop.at_destination(slip, backend, 8080);
    assert_eq!(
        (end.verdict(), end.reason.as_str()),
        (Verdict::Dropped, "default_denied")
    );
    let denier = &end.default_denied_by[0];
    assert_eq!(denier.policy.as_ref().expect("a policy").name, "backend");
    assert!(denier.hits > 0 && denier.last_hit.is_some());
    assert_eq!(end.decided_generation, end.current_generation);
    let hint = "app=fronted is one character off app=frontend: a slip?";
    assert_eq!(missed(&end), (MissedField::PeerLabel, hint));
    // A port just outside the range.
    shop.connect(frontend, backend, 8091, false);
    let outside = shop.at_destination(frontend, backend, 8091);
    let hint = "8091 is 1 above the range 8080-8090";
    assert_eq!(missed(&outside), (MissedField::Port, hint));
    // A deny over an allow.
    shop.connect(frontend, backend, 8085, false);
    let denied = shop.at_destination(frontend, backend, 8085);
    assert_eq!(denied.reason, "rule_denied");
    assert_eq!(denied.rules[0].path, "spec.ingressDeny[0]");
    let excerpt = denied.rules[0].excerpt.as_ref().expect("an excerpt");
    assert_eq!(
        excerpt.yaml,
        "- toPorts: [{ports: [{port: \"8085\", protocol: TCP}]}]\n"
    );
    assert!(!excerpt.changed, "{excerpt:?}");
    assert_eq!(denied.overridden[0].path, "spec.ingress[0]");
    assert_eq!(denied.suggestion, "");
    // What is allowed names its rule, by uuid as well, and both ends answer.
    shop.connect(frontend, backend, 8080, true);
    let allowed = shop.at_destination(frontend, backend, 8080);
    assert_eq!(allowed.rules[0].path, "spec.ingress[0]");
    let uuid = allowed.flow.as_ref().expect("a flow").uuid.clone();
    let answer = shop.ask(&[&uuid]);
    assert!(answer.passed);
    assert_eq!(answer.ends.len(), 2);
    assert_eq!(answer.ends[0].reason, "unenforced");
    assert_eq!(answer.ends[1].rules, allowed.rules);
    // An answer leads to the verdict on its connection.
    let back = flow_of("tcp").from(backend).to(frontend).reply(true);
    let reply = shop.scene.flow(&back.family(backend.ipv4));
    let answer = shop.ask(&[&reply.uuid]);
    assert_eq!(answer.ends[1].destination, "TCP/8080");
    assert_eq!(answer.ends[1].rules[0].path, "spec.ingress[0]");
    // The suggestion works, and what was told before is told as before.
    shop.scene.enforce("remedy", &end.suggestion);
    let later = shop.at_destination(slip, backend, 8080);
    assert_eq!(later.verdict(), Verdict::Dropped);
    assert!(later.now.as_ref().expect("an evaluation").allowed);
    assert!(later.decided_generation < later.current_generation);
    shop.connect(slip, backend, 8080, true);
    // Hits outlive the swap, and start with a new policy.
    let name = "allow-ingress-tcp-8080";
    eventually("the remedy was hit", || {
        let policies = shop.scene.api().status()?.policies;
        let hits = |wanted: &str| {
            let policy = policies.iter().find(|policy| policy.name == wanted);
            policy.map_or(0, |policy| policy.hits)
        };
        let (old, new) = (hits("backend"), hits(name));
        when(old >= 4 && new == 1, (old, new))
    });
}

#[test]
fn audits_foreign_addresses_and_unknown_questions_are_told_as_such() {
    let shop = Shop::open();
    let Shop {
        scene,
        slip,
        backend,
        audited,
        ..
    } = &shop;
    shop.connect(slip, audited, 8080, true);
    let end = shop.at_destination(slip, audited, 8080);
    assert_eq!(
        (end.verdict(), end.reason.as_str()),
        (Verdict::Audit, "default_denied")
    );
    assert!(end.notes[0].contains("mode is audit"), "{:?}", end.notes);
    let told = shop.printed(&[
        "shop/fronted",
        "shop/audited",
        "TCP/8080",
        "--direction",
        "ingress",
    ]);
    for line in [
        "Ingress of shop/audited <- shop/fronted TCP/8080: AUDIT default_denied",
        "one character off",
        "kind: CiliumNetworkPolicy",
    ] {
        assert!(told.contains(line), "{line:?} is missing in\n{told}");
    }

    // An address the workload was not given.
    support::run_inside(&slip.namespace, "ip address add 10.9.9.9/32 dev eth0");
    let target = backend.ipv4;
    let sent = slip.namespace.run(move || {
        let socket = std::net::UdpSocket::bind(("10.9.9.9", 0))?;
        socket.send_to(b"?", (target, 53))
    });
    sent.expect("the namespace is there").expect("sent");
    scene.flow(&flow_of("udp").to(backend).port(53).dropped());
    let words = ["10.9.9.9", &target.to_string(), "UDP/53"];
    let answer = shop.ask(&words);
    let egress = &answer.ends[0];
    assert_eq!(egress.reason, "source_address");
    assert_eq!(egress.endpoint, "shop/fronted");
    let own = slip.ipv4.to_string();
    assert!(egress.notes[0].contains(&own), "{:?}", egress.notes);
    assert_eq!(egress.near_misses.len(), 0);

    for (words, says) in [
        (
            vec!["6ffea31f-6d70-8aa4-8000-000000000007"],
            "the oldest flow available is",
        ),
        (
            vec!["shop/backent", "shop/backend", "TCP/1"],
            "did you mean shop/backend?",
        ),
        (vec!["shop/backend", "TCP/1"], "SRC DST PROTOCOL/PORT"),
    ] {
        let output = scene.run_flowctl(&[&["why"], words.as_slice()].concat());
        let line = text(&output.stderr);
        assert!(!output.status.success() && line.contains(says), "{line}");
    }
}
