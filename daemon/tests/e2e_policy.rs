//! What policies say is what the wire does and what the flows tell: allows, denies, their order,
//! and who is named for it.

mod support;

use std::net::IpAddr;

use flowd_proto::{
    flow::{DropReason, Flow, Policy, TrafficDirection},
    flowd::v1::{EventKind, RuleAction},
};
use flowd_testbed::{
    Pod,
    traffic::{Outcome, TcpEcho, UdpEcho, ping, tcp_connect, udp_exchange},
};
use support::{PATIENCE, SILENCE, Scene, flow_of, policy};

const FRONTEND_ONLY: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}], \
     toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]";

fn icmp(address: IpAddr) -> &'static str {
    if address.is_ipv4() {
        "icmpv4"
    } else {
        "icmpv6"
    }
}

fn names(policies: &[Policy]) -> Vec<&str> {
    policies.iter().map(|policy| policy.name.as_str()).collect()
}

/// Whether a TCP handshake from the pod completes; a denied one is not answered at all.
fn connects(from: &Pod, to: impl Into<IpAddr>, port: u16, patience: std::time::Duration) -> bool {
    match tcp_connect(&from.namespace, to, port, patience).expect("the attempt is made") {
        Outcome::Connected => true,
        Outcome::TimedOut => false,
        other @ (Outcome::Refused | Outcome::Unreachable) => panic!("{other:?}"),
    }
}

fn answers(from: &Pod, to: impl Into<IpAddr>, port: u16, patience: std::time::Duration) -> bool {
    udp_exchange(&from.namespace, to, port, b"hello", patience).expect("the attempt is made")
}

/// A flow that no rule allowed names the policies that made it so.
fn assert_default_denied(flow: &Flow, by: &str) {
    assert_eq!(flow.drop_reason_desc(), DropReason::PolicyDenied);
    assert_eq!(flow.drop_reason, 133);
    assert_eq!(flow.is_reply, Some(false));
    assert_eq!(flow.event_type.as_ref().map(|kind| kind.r#type), Some(1));
    assert_eq!(names(flow.denied_by()), [by]);
    let extension = flow.extension().expect("flowd's own words");
    let deniers = &extension.default_denied_by;
    assert_eq!(deniers.len(), 1);
    assert_eq!(deniers[0].name, by);
    assert!(deniers[0].file.ends_with(".yaml") && deniers[0].line == 1);
    assert_eq!(extension.reason, "default_denied");
    assert_eq!(extension.rules, []);
    assert_ne!(extension.policy_generation, 0);
}

#[test]
fn only_the_frontend_reaches_the_backend_and_only_on_its_port() {
    let mut scene = Scene::new();
    let [frontend, backend, stranger] =
        ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let yaml = policy("backend-web", "backend", FRONTEND_ONLY);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let any: IpAddr = "::".parse().expect("an address");
    let web = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
    let other = TcpEcho::start(&backend.namespace, any, 9090).expect("listens");
    let udp = UdpEcho::start(&backend.namespace, any, 8080).expect("listens");

    for address in backend.addresses() {
        assert!(connects(&frontend, address, 8080, PATIENCE));
        assert!(!connects(&frontend, address, 9090, SILENCE));
        assert!(!connects(&stranger, address, 8080, SILENCE));
        assert!(!answers(&frontend, address, 8080, SILENCE));
        assert_eq!(ping(&frontend.namespace, address, 1).expect("ping runs"), 0);
        tells_of_the_allowed(&scene, &frontend, &backend, address);
        let to = |protocol: &str| flow_of(protocol).to(&backend).family(address);
        for denied in [
            to("tcp").from(&frontend).port(9090),
            to("tcp").from(&stranger).port(8080),
            to("udp").from(&frontend).port(8080),
            to(icmp(address)).from(&frontend),
        ] {
            let flow = scene.flow(&denied.dropped());
            assert_eq!(flow.traffic_direction(), TrafficDirection::Ingress);
            assert_default_denied(&flow, "backend-web");
        }
        let echo = scene.flow(&to(icmp(address)).from(&frontend).dropped());
        assert!(echo.summary.ends_with("EchoRequest"), "{}", echo.summary);
    }
    assert_eq!(web.accepted(), 2, "one for each family");
    assert_eq!((other.accepted(), udp.received()), (0, 0));
}

/// Each end has its own view: the backend's policy allowed it, nothing judged the frontend.
fn tells_of_the_allowed(scene: &Scene, frontend: &Pod, backend: &Pod, address: IpAddr) {
    let there = flow_of("tcp")
        .from(frontend)
        .to(backend)
        .port(8080)
        .family(address);
    let opened = scene.flow(&there.clone().ingress().event_type(5));
    assert_eq!(names(&opened.ingress_allowed_by), ["backend-web"]);
    assert_eq!(opened.ingress_allowed_by[0].kind, "CiliumNetworkPolicy");
    assert_eq!(opened.ingress_allowed_by[0].namespace, "shop");
    assert_eq!(
        (opened.is_reply, opened.policy_match_type),
        (Some(false), 2)
    );
    assert_eq!(opened.summary, "TCP Flags: SYN");
    let source = opened.source.as_ref().expect("a source");
    let destination = opened.destination.as_ref().expect("a destination");
    assert_eq!(
        (source.pod_name.as_str(), source.namespace.as_str()),
        ("frontend", "shop")
    );
    assert_eq!(destination.pod_name, "backend");
    assert!(
        source.labels.contains(&"k8s:app=frontend".to_owned()),
        "{source:?}"
    );
    let extension = opened.extension().expect("flowd's own words");
    assert_eq!(extension.event(), EventKind::Open);
    assert_eq!(extension.rules.len(), 1);
    assert_eq!(extension.rules[0].name, "backend-web");
    assert_eq!(extension.rules[0].action(), RuleAction::Allow);
    assert_eq!(extension.rules[0].line, 6);

    let unjudged = scene.flow(&there.egress().event_type(4).reply(false));
    let reason = unjudged.extension().expect("flowd's own words").reason;
    assert_eq!(reason, "unenforced");
    assert_eq!(names(unjudged.allowed_by()), [""; 0]);

    let back = flow_of("tcp")
        .from(backend)
        .to(frontend)
        .source_port(8080)
        .family(address);
    let answer = scene.flow(&back.ingress().reply(true));
    assert!(
        answer.summary.starts_with("TCP Flags: "),
        "{}",
        answer.summary
    );
    assert_eq!(answer.is_reply, Some(true));
}

#[test]
fn a_deny_rule_beats_any_allow_and_is_named() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let open = policy("open", "backend", "ingress: [{fromEntities: [all]}]");
    let closed = policy(
        "no-metrics",
        "backend",
        "ingressDeny: [{toPorts: [{ports: [{port: \"9090\", endPort: 9099, protocol: TCP}]}]}]",
    );
    scene.flowd.write_policy("open", &open).expect("written");
    scene
        .flowd
        .write_policy("closed", &closed)
        .expect("written");
    scene.launch();
    let any: IpAddr = "::".parse().expect("an address");
    let servers = [8080, 9090, 9099]
        .map(|port| TcpEcho::start(&backend.namespace, any, port).expect("listens"));
    for address in backend.addresses() {
        assert!(connects(&frontend, address, 8080, PATIENCE));
        for port in [9090, 9099] {
            assert!(!connects(&frontend, address, port, SILENCE));
            let denied = flow_of("tcp")
                .to(&backend)
                .port(port)
                .family(address)
                .dropped();
            let flow = scene.flow(&denied);
            assert_eq!(flow.drop_reason_desc(), DropReason::PolicyDeny);
            assert_eq!(flow.drop_reason, 181);
            assert_eq!(names(&flow.ingress_denied_by), ["no-metrics"]);
            let extension = flow.extension().expect("flowd's own words");
            assert_eq!(extension.rules[0].action(), RuleAction::Deny);
            assert_eq!(extension.default_denied_by, []);
        }
    }
    assert_eq!(servers.map(|server| server.accepted()), [2, 0, 0]);
}

#[test]
fn egress_rules_know_the_world_its_exceptions_and_icmp_types() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let near = scene.bed.world("near").expect("a host");
    let except = scene.bed.world("except").expect("a host");
    let rules = format!(
        "egress:
  - toCIDRSet:
    - {{cidr: 203.0.113.0/24, except: [{}/32]}}
    - {{cidr: 2001:db8:77::/64, except: [{}/128]}}
    toPorts: [{{ports: [{{port: \"443\", protocol: TCP}}]}}]
  - toEntities: [world]
    icmps: [{{fields: [{{type: 8, family: IPv4}}, {{type: 128, family: IPv6}}]}}]",
        except.ipv4, except.ipv6
    );
    let yaml = policy("to-the-world", "frontend", &rules);
    scene.flowd.write_policy("world", &yaml).expect("written");
    scene.launch();
    let any: IpAddr = "::".parse().expect("an address");
    let listen = |namespace, port| TcpEcho::start(namespace, any, port).expect("listens");
    let wanted = [(&near.namespace, 443)].map(|(space, port)| listen(space, port));
    let unwanted = [
        (&near.namespace, 80),
        (&except.namespace, 443),
        (&backend.namespace, 443),
    ]
    .map(|(space, port)| listen(space, port));

    for family in [0, 1] {
        let [near, except] = [near.addresses()[family], except.addresses()[family]];
        let inside = backend.addresses()[family];
        assert!(connects(&frontend, near, 443, PATIENCE));
        let allowed = flow_of("tcp")
            .from(&frontend)
            .destination_ip(near)
            .port(443);
        let flow = scene.flow(&allowed.egress().event_type(5));
        assert_eq!(names(&flow.egress_allowed_by), ["to-the-world"]);
        let extension = flow.extension().expect("flowd's own words");
        let cidr = ["203.0.113.0/24", "2001:db8:77::/64"][family];
        assert_eq!(extension.cidr, cidr);
        for (address, port) in [(near, 80), (except, 443), (inside, 443)] {
            assert!(!connects(&frontend, address, port, SILENCE));
            let denied = flow_of("tcp")
                .from(&frontend)
                .destination_ip(address)
                .port(port);
            let flow = scene.flow(&denied.dropped().egress());
            assert_default_denied(&flow, "to-the-world");
        }
        assert_eq!(ping(&frontend.namespace, except, 1).expect("ping runs"), 1);
        assert_eq!(ping(&frontend.namespace, inside, 1).expect("ping runs"), 0);
    }
    assert_eq!(wanted.map(|server| server.accepted()), [2]);
    assert_eq!(unwanted.map(|server| server.accepted()), [0; 3]);
}
