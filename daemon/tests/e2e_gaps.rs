//! Whatever happens to the daemon, its state, or a workload's name and device: at no moment does a
//! packet pass that no policy allows, or drop that every policy allows.

mod support;

use flowd_proto::flow::TrafficDirection;
use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, tcp_connect},
};
use support::{
    ALWAYS, Load, PATIENCE, SILENCE, Scene, eventually, flow_of, policy, run_inside, when,
};

/// The `n`th policy, with a thousand entries and more so that writing it takes a while.
fn variant(n: u16) -> String {
    let peers: Vec<String> = (0..1000)
        .map(|m| format!("198.18.{}.{}/32", m / 250, m % 250))
        .collect();
    let rules = format!(
        "ingress:
  - toPorts: [{{ports: [{{port: \"{ALWAYS}\", protocol: UDP}}]}}]
  - fromCIDR: [{}]
    toPorts: [{{ports: [{{port: \"{}\", protocol: TCP}}]}}]",
        peers.join(", "),
        9000 + n,
    );
    policy("load", "backend", &rules)
}

/// Under load: what is always allowed, what never is, and the pod they are sent to.
fn loaded() -> (Scene, [Pod; 2], Load) {
    let mut scene = Scene::new();
    let pods = ["frontend", "backend"].map(|name| scene.pod(name));
    scene
        .flowd
        .write_policy("load", &variant(0))
        .expect("written");
    scene.launch();
    let load = Load::start(&pods[0], &pods[1]);
    (scene, pods, load)
}

#[test]
fn no_packet_meets_another_verdict_while_daemons_come_and_go() {
    let (mut scene, [_frontend, backend], load) = loaded();
    for n in 1..=5 {
        // The daemon may die before, while or after it takes the change.
        let yaml = variant(n);
        scene.flowd.write_policy("load", &yaml).expect("written");
        std::thread::sleep(std::time::Duration::from_millis(50 + 5 * u64::from(n)));
        scene.flowd.kill9().expect("killed");
        scene.launch();
        scene.flowd.restart().expect("it starts again");
    }
    let denied = load.finish();
    eventually("the counters outlive every daemon", || {
        let dropped = scene
            .api()
            .ledger("default_denied", TrafficDirection::Ingress.into());
        when(dropped.packets >= denied, dropped)
    });
    assert!(
        scene
            .flows(&flow_of("udp").to(&backend).port(ALWAYS).dropped())
            .is_empty()
    );
}

#[test]
fn a_daemon_that_lost_its_state_takes_over_without_a_gap() {
    let (mut scene, pods, load) = loaded();
    scene.flowd.terminate().expect("it ends by itself");
    std::fs::remove_dir_all(scene.flowd.state()).expect("removed");
    std::fs::create_dir(scene.flowd.state()).expect("made");
    scene.launch();
    load.finish();
    drop(pods);
}

#[test]
fn a_workload_that_changes_its_name_or_its_device_is_guarded_all_the_while() {
    let (scene, [_frontend, backend], load) = loaded();
    let api = scene.api();
    // Found by its namespace, whatever its host-side device is called.
    let device = format!("{{interface: {}}}", backend.interface);
    let space = format!("{{netns: {}}}", backend.namespace.path().display());
    let named = |name: &str, text: String| {
        text.replace(&device, &space)
            .replace("name: backend", &format!("name: {name}"))
    };
    for name in ["first", "second", "third"] {
        scene.change(&api, |_| {
            scene.edit_endpoint(&backend, |text| named(name, text));
            Ok(())
        });
        let device = format!("fd-{name}");
        let old = api.endpoint(name).expect("it is listed").interface;
        run_inside(
            scene.bed.node(),
            &format!("ip link set {old} name {device}"),
        );
        eventually("it is protected at its device's new name", || {
            let one = api.endpoint(name).ok_or("it is not listed")?;
            when(one.state == "protected" && one.interface == device, one)
        });
    }
    load.finish();
}

#[test]
fn numbers_that_could_not_be_saved_are_never_given_to_another_policy() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let allow = |port: u16| {
        let rules =
            format!("ingress: [{{toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]}}]");
        policy("web", "backend", &rules)
    };
    scene.launch();
    let any: std::net::IpAddr = "::".parse().expect("an address");
    let _servers =
        [8080, 8081].map(|port| TcpEcho::start(&backend.namespace, any, port).expect("listens"));
    // As old as a state that a full disk kept from being written.
    let numbers = scene.flowd.state().join("numbers.json");
    let old = std::fs::read(&numbers).expect("read");
    scene.enforce("web", &allow(8080));
    scene.flowd.terminate().expect("it ends by itself");
    std::fs::write(&numbers, old).expect("written");
    scene
        .flowd
        .write_policy("web", &allow(8081))
        .expect("written");
    scene.launch();
    let connects = |port, patience| {
        tcp_connect(&frontend.namespace, backend.ipv4, port, patience)
            .expect("the attempt is made")
            .is_connected()
    };
    assert!(connects(8081, PATIENCE), "what is allowed now");
    assert!(!connects(8080, SILENCE), "what was allowed before");
    let flow = scene.flow(
        &flow_of("tcp")
            .to(&backend)
            .port(8081)
            .ingress()
            .event_type(5),
    );
    assert_eq!(flow.ingress_allowed_by[0].name, "web");
}
