//! The daemon may die, be stopped, come back or be taken off: no verdict depends on it.

mod support;

use std::net::IpAddr;

use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, tc::TcAttachOptions};
use flowd::kernel::{Kernel, Sizes, Timeouts};
use flowd_proto::flow::Flow;
use flowd_proto::flowd::v1::EventKind;
use flowd_testbed::{
    Namespace, Pod,
    traffic::{Conversation, TcpEcho, UdpEcho, UdpFlood, tcp_connect, tcp_connections},
};
use support::{
    PATIENCE, SILENCE, Scene, distinct_ports, eventually, flow_of, policy, run_inside,
    told_packets, when,
};

const FRONTEND_ONLY: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}], \
     toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]";

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// A running shop: the frontend may reach the backend's port 8080, the stranger may not.
fn shop() -> (Scene, [Pod; 3], TcpEcho) {
    let mut scene = Scene::new();
    let pods = ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let yaml = policy("web", "backend", FRONTEND_ONLY);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let server = TcpEcho::start(&pods[1].namespace, any(), 8080).expect("listens");
    (scene, pods, server)
}

/// What the policy says, on the wire, with or without a daemon.
fn assert_enforced([frontend, backend, stranger]: &[Pod; 3]) {
    for address in backend.addresses() {
        let connects = |from: &Pod, patience| {
            tcp_connect(&from.namespace, address, 8080, patience)
                .expect("the attempt is made")
                .is_connected()
        };
        assert!(connects(frontend, PATIENCE));
        assert!(!connects(stranger, SILENCE));
    }
}

fn identities(scene: &Scene) -> Vec<(String, u32, u32)> {
    let status = scene.api().status().expect("a status");
    let endpoints = status.endpoints.into_iter();
    endpoints
        .map(|endpoint| (endpoint.name, endpoint.id, endpoint.identity))
        .collect()
}

fn opens(flows: Vec<Flow>) -> Vec<Flow> {
    let is_open = |flow: &Flow| {
        flow.extension()
            .is_some_and(|one| one.event() == EventKind::Open)
    };
    flows.into_iter().filter(is_open).collect()
}

#[test]
fn a_kill_under_traffic_changes_no_verdict_and_what_happened_meanwhile_is_told_exactly() {
    let (mut scene, pods, server) = shop();
    let [frontend, backend, stranger] = &pods;
    let shut = UdpEcho::start(&backend.namespace, any(), 5353).expect("listens");
    let mut talks = backend.addresses().map(|address| {
        Conversation::open(&frontend.namespace, address, 8080, PATIENCE).expect("connects")
    });
    let mut talk = |words: &[u8]| {
        for conversation in &mut talks {
            assert!(conversation.say(words, PATIENCE).expect("it goes on"));
        }
    };
    talk(b"before");
    let opened = flow_of("tcp")
        .from(frontend)
        .to(backend)
        .port(8080)
        .ingress()
        .forwarded();
    eventually("both conversations are told", || {
        let flows = opens(scene.flows(&opened));
        when(flows.len() == 2, flows.len())
    });

    scene.flowd.kill9().expect("killed");
    (0..50).for_each(|_| talk(b"nobody watches"));
    assert_enforced(&pods);
    let flood = UdpFlood {
        target: backend.ipv4.into(),
        ports: 5353..=5353,
        sockets: 1,
        payload: 32,
    };
    let sent = flood.send(&stranger.namespace, 500).expect("sent");
    assert_eq!(sent.packets, 500);
    let tally = tcp_connections(&frontend.namespace, backend.ipv6, 8080, 25, PATIENCE);
    assert_eq!(tally.expect("attempted").connected, 25);

    scene.launch();
    talk(b"after");
    // The new daemon's log begins empty: all it tells of happened while there was none.
    eventually("27 connections were opened meanwhile", || {
        let told = distinct_ports(&opens(scene.flows(&opened))).len();
        when(told == 27, told)
    });
    let denied = flow_of("udp")
        .from(stranger)
        .to(backend)
        .port(5353)
        .ingress()
        .dropped();
    eventually("every denied datagram is told", || {
        let flows = scene.flows(&denied);
        when(told_packets(&flows) == 500, told_packets(&flows))
    });
    assert_eq!(distinct_ports(&scene.flows(&denied)).len(), 1);
    assert_eq!((server.accepted(), shut.received()), (2 + 27, 0));
    let ledger = scene
        .api()
        .status()
        .expect("a status")
        .ledger
        .unwrap_or_default();
    assert!(ledger.balanced && ledger.lost == 0, "{ledger:?}");
    assert_enforced(&pods);
}

#[test]
fn a_stop_leaves_enforcement_and_a_start_keeps_every_number() {
    let (mut scene, pods, _server) = shop();
    let before = identities(&scene);
    assert!(
        before
            .iter()
            .all(|(_, id, identity)| *id > 0 && *identity > 255),
        "{before:?}"
    );
    let status = scene.flowd.terminate().expect("it ends by itself");
    assert!(status.success(), "{status}");
    assert!(!scene.flowd.socket().exists(), "the socket is tidied away");
    assert_enforced(&pods);
    let late = scene.pod("late");
    scene.launch();
    let after = identities(&scene);
    assert!(
        before.iter().all(|one| after.contains(one)),
        "{before:?} {after:?}"
    );
    let is_new = |of: fn(&(String, u32, u32)) -> u32| {
        let late = after.iter().find(|one| one.0 == late.name).map(of);
        before.iter().all(|one| Some(of(one)) != late)
    };
    assert!(is_new(|one| one.1) && is_new(|one| one.2), "{after:?}");
    assert_enforced(&pods);
}

#[test]
fn a_policy_broken_while_the_daemon_was_down_stays_as_it_last_was() {
    let mut scene =
        Scene::with(|builder, _| builder.ready_within(std::time::Duration::from_secs(8)));
    let pods = ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let yaml = policy("web", "backend", FRONTEND_ONLY);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let _server = TcpEcho::start(&pods[1].namespace, any(), 8080).expect("listens");
    scene.flowd.terminate().expect("it ends by itself");
    let broken = yaml.replace("fromEndpoints", "fromEverywhere");
    scene.flowd.write_policy("web", &broken).expect("written");
    let error = scene.flowd.launch().expect_err("it is not healthy");
    assert!(format!("{error:#}").contains("web.yaml:6"), "{error:#}");
    let status = scene.api().status().expect("it serves all the same");
    assert_eq!(status.source_errors.len(), 1);
    assert_eq!(status.source_errors[0].line, 6);
    assert_eq!(status.policies.len(), 1);
    assert_enforced(&pods);
    scene.enforce("web", &yaml.replace("8080", "8081"));
    let moved = tcp_connect(&pods[0].namespace, pods[1].ipv4, 8080, SILENCE);
    assert!(!moved.expect("the attempt is made").is_connected());
}

/// Ids of the programs on both hooks of a device, in the order they run.
fn hooks(node: &Namespace, device: &str) -> [Vec<u32>; 2] {
    let listed = node.run(|| {
        [TcAttachType::Ingress, TcAttachType::Egress].map(|side| {
            let (_, programs) = SchedClassifier::query_tcx(device, side).expect("listed");
            programs.into_iter().map(|program| program.id()).collect()
        })
    });
    listed.expect("the namespace is there")
}

/// A program of somebody else, which lets everything pass.
fn neighbour(
    kernel: &mut Kernel,
    node: &Namespace,
    device: &str,
    side: TcAttachType,
    order: LinkOrder,
) {
    let program = kernel.program("empty");
    let options = TcAttachOptions::TcxOrder(order);
    node.run(|| program.attach_with_options(device, side, options))
        .expect("the namespace is there")
        .expect("attached");
}

#[test]
fn detach_leaves_the_hooks_as_they_were_found() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let yaml = policy("nobody", "backend", "ingress: [{}]");
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    let (node, device) = (scene.bed.node().clone(), backend.interface.clone());
    let sizes = Sizes {
        endpoints: 64,
        peers: 64,
        policy: 64,
        connections: 64,
        denied: 64,
        fragments: 64,
        ring_bytes: 65_536,
        sockets: 0,
        kernel_drops: 0,
    };
    // A program can be on a hook once: those who came before and those who come after differ.
    let [mut before, mut after] =
        [(), ()].map(|()| Kernel::load(&sizes, &Timeouts::default(), None).expect("loaded"));
    neighbour(
        &mut before,
        &node,
        &device,
        TcAttachType::Egress,
        LinkOrder::default(),
    );
    neighbour(
        &mut before,
        &node,
        &device,
        TcAttachType::Ingress,
        LinkOrder::default(),
    );
    let found = hooks(&node, &device);
    assert_eq!(found.each_ref().map(Vec::len), [1, 1]);

    scene.launch();
    assert_eq!(hooks(&node, &device).map(|programs| programs.len()), [2, 2]);
    neighbour(
        &mut after,
        &node,
        &device,
        TcAttachType::Egress,
        LinkOrder::last(),
    );
    neighbour(
        &mut after,
        &node,
        &device,
        TcAttachType::Ingress,
        LinkOrder::first(),
    );
    let with = hooks(&node, &device);
    assert_eq!(with.each_ref().map(Vec::len), [3, 3]);
    let connect = |patience| {
        let outcome = tcp_connect(&frontend.namespace, backend.ipv4, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    };
    let _server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    assert!(!connect(SILENCE), "enforced beside other programs");
    // A restart must not move ours either.
    scene.flowd.restart().expect("it starts again");
    let restarted = hooks(&node, &device);
    assert_eq!(restarted.each_ref().map(Vec::len), [3, 3]);
    assert_eq!([restarted[0][0], restarted[1][2]], [with[0][0], with[1][2]]);

    scene.flowd.terminate().expect("it ends by itself");
    scene.flowd.detach().expect("detached");
    // The kernel takes a program whose link has gone off its hook a moment later.
    let expected = [[with[0][0], found[0][0]], [found[1][0], with[1][2]]];
    eventually("only theirs is left", || {
        let left = hooks(&node, &device);
        when(left == expected, left)
    });
    eventually("nothing is left where nobody was", || {
        let left = hooks(&node, &frontend.interface);
        when(left.iter().all(Vec::is_empty), left)
    });
    let pinned = std::fs::read_dir(scene.flowd.bpffs()).expect("listed");
    // The kernel's own files may stand beside ours.
    let ours = pinned.filter_map(|entry| entry.expect("listed").file_name().into_string().ok());
    assert_eq!(ours.filter(|name| name.starts_with('v')).count(), 0);
    assert!(connect(PATIENCE), "nothing is enforced any more");
}

/// Filters of programs on both sides of a pod's device.
fn filters(scene: &Scene, pod: &Pod) -> [usize; 2] {
    ["ingress", "egress"].map(|side| {
        let command = format!("tc filter show dev {} {side}", pod.interface);
        let shown = run_inside(scene.bed.node(), &command);
        shown.matches("direct-action").count()
    })
}

#[test]
fn with_clsact_the_same_holds_without_a_daemon_and_after_it() {
    let mut scene = Scene::with(|builder, _| builder.arg("--attach").arg("clsact"));
    let pods = ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let yaml = policy("web", "backend", FRONTEND_ONLY);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let _server = TcpEcho::start(&pods[1].namespace, any(), 8080).expect("listens");
    assert_enforced(&pods);
    assert_eq!(filters(&scene, &pods[1]), [1, 1]);
    scene.flowd.kill9().expect("killed");
    assert_enforced(&pods);
    scene.flowd.launch().expect("it starts again");
    assert_enforced(&pods);
    assert_eq!(
        filters(&scene, &pods[1]),
        [1, 1],
        "the successor's in the place of the earlier"
    );
    scene.flowd.terminate().expect("it ends by itself");
    scene.flowd.detach().expect("detached");
    assert_eq!(filters(&scene, &pods[1]), [0, 0]);
    for stranger in [&pods[0], &pods[2]] {
        let outcome = tcp_connect(&stranger.namespace, pods[1].ipv4, 8080, PATIENCE);
        assert!(outcome.expect("the attempt is made").is_connected());
    }
}
