//! A device that appears is guarded because the kernel told of it: the loop looks by itself only once an
//! hour here.

mod support;

use flowd::kernel::attach::programs_on;
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use support::{PATIENCE, SILENCE, Scene, eventually, policy, run_inside, when};

#[test]
fn a_workload_that_is_made_again_is_guarded_without_a_look() {
    let mut scene = Scene::configured("control: {look_interval: 3600}");
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let yaml = policy("nobody", "backend", "ingress: [{}]");
    let yaml = yaml.replace("[{}]", "[{fromEndpoints: [{matchLabels: {app: nobody}}]}]");
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    scene.launch();
    let connects = |patience| {
        let outcome = tcp_connect(&frontend.namespace, backend.ipv4, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    };
    {
        let _server = TcpEcho::start(&backend.namespace, backend.ipv4, 8080).expect("listens");
        assert!(!connects(SILENCE));
    }
    let api = scene.api();
    let before = api.endpoint("backend").expect("listed").ifindex;
    let (node, device) = (scene.bed.node(), &backend.interface);
    run_inside(node, &format!("ip link del {device}"));
    eventually("it is told to be gone", || {
        let state = api.endpoint("backend").map(|one| one.state);
        when(state.as_deref() == Some("failed"), state)
    });
    let inside = backend.namespace.name();
    let mac = backend.mac.map(|byte| format!("{byte:02x}")).join(":");
    let gateway = backend
        .gateway_mac
        .map(|byte| format!("{byte:02x}"))
        .join(":");
    let address = backend.ipv4;
    run_inside(
        node,
        &format!(
            "ip link add {device} address {gateway} type veth peer name eth0 address {mac} netns {inside}"
        ),
    );
    run_inside(&backend.namespace, "ip link set eth0 up");
    run_inside(
        &backend.namespace,
        &format!("ip addr add {address}/32 dev eth0"),
    );
    run_inside(node, &format!("ip link set {device} up"));
    run_inside(node, &format!("ip route add {address}/32 dev {device}"));
    let after = eventually("its new device is guarded", || {
        let one = api.endpoint("backend").ok_or("not listed")?;
        when(one.state == "protected" && one.ifindex != before, one)
    });
    assert_ne!(after.ifindex, before);
    let hooks = node.run(|| programs_on(device)).expect("entered");
    assert_eq!(hooks.len(), 2, "{hooks:?}");
    let ways = [
        "route add 10.77.0.1 dev eth0",
        "route add default via 10.77.0.1 dev eth0",
    ];
    for way in ways {
        run_inside(&backend.namespace, &format!("ip {way}"));
    }
    let _server = TcpEcho::start(&backend.namespace, backend.ipv4, 8080).expect("listens");
    assert!(!connects(SILENCE));
    scene.lift("nobody");
    assert!(connects(PATIENCE));
}

#[test]
fn a_new_workload_is_not_open_because_a_table_is_full() {
    let mut scene = Scene::configured("sizes: {peers: 64}");
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.unguarded(name));
    let rules = "ingress: [{fromEndpoints: [{matchLabels: {app: nobody}}]}]";
    let yaml = policy("nobody", "backend", rules);
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    scene.launch();
    let _server = TcpEcho::start(&backend.namespace, backend.ipv4, 8080).expect("listens");
    let connects = |patience| {
        let outcome = tcp_connect(&frontend.namespace, backend.ipv4, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    };
    assert!(connects(PATIENCE));
    let blocks: Vec<String> = (0..80).map(|n| format!("192.0.2.{n}/32")).collect();
    let wide = format!("egress: [{{toCIDR: [{}]}}]", blocks.join(", "));
    let yaml = policy("wide", "nobody", &wide);
    scene.flowd.write_policy("wide", &yaml).expect("written");
    scene.flowd.write_endpoint(&backend).expect("written");
    let api = scene.api();
    let told = eventually(
        "it is told that it is not guarded as it ought to be",
        || {
            let one = api.endpoint("backend").ok_or("not listed")?;
            when(one.state == "failed", one)
        },
    );
    assert!(told.detail.contains("PEERS is full"), "{told:?}");
    assert!(!connects(SILENCE), "a policy selects it");
    scene.flowd.remove_policy("wide").expect("removed");
    eventually("there is room again", || {
        let one = api.endpoint("backend").ok_or("not listed")?;
        when(one.state == "protected", one)
    });
    assert!(!connects(SILENCE));
}
