//! Workloads change: their labels, and whether they are guarded at all.

mod support;

use std::net::IpAddr;

use flowd::kernel::attach::programs_on;
use flowd_proto::flow::DropReason;
use flowd_testbed::traffic::{Conversation, TcpEcho, tcp_connect};
use support::{ALWAYS, Load, PATIENCE, SILENCE, Scene, eventually, flow_of, policy, when};

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

#[test]
fn a_peer_with_other_labels_is_judged_by_them_at_its_next_packet() {
    let mut scene = Scene::new();
    let [frontend, backend, bystander] =
        ["frontend", "backend", "bystander"].map(|name| scene.pod(name));
    let rules = format!(
        "ingress:
  - fromEndpoints: [{{matchLabels: {{app: frontend}}}}]
    toPorts: [{{ports: [{{port: \"8080\", protocol: TCP}}]}}]
  - toPorts: [{{ports: [{{port: \"{ALWAYS}\", protocol: UDP}}]}}]"
    );
    let yaml = policy("web", "backend", &rules);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let _server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let load = Load::start(&bystander, &backend);
    let mut talks = backend.addresses().map(|address| {
        Conversation::open(&frontend.namespace, address, 8080, PATIENCE).expect("connects")
    });
    let api = scene.api();
    let relabel = |label: &str| {
        scene.change(&api, |_| {
            scene.edit_endpoint(&frontend, |text| text.replace("app: frontend", label));
            Ok(())
        });
    };
    for _ in 0..3 {
        for talk in &mut talks {
            assert!(talk.say(b"as the frontend", PATIENCE).expect("it goes on"));
        }
        relabel("app: somebody");
        for talk in &mut talks {
            assert!(!talk.say(b"as somebody", SILENCE).expect("no reset"));
        }
        relabel("app: frontend");
    }
    let cut = flow_of("tcp")
        .from(&frontend)
        .to(&backend)
        .port(8080)
        .dropped();
    let flow = scene.flow(&cut.ingress());
    assert_eq!(flow.drop_reason_desc(), DropReason::PolicyDenied);
    let labels = flow.source.map(|source| source.labels).unwrap_or_default();
    assert!(
        labels.contains(&"k8s:app=somebody".to_owned()),
        "{labels:?}"
    );
    load.finish();
}

#[test]
fn a_workload_is_let_go_with_its_file_and_guarded_again_when_it_is_back() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let yaml = policy("nobody", "backend", "ingress: [{}]");
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    scene.launch();
    let _server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let address = backend.ipv4;
    let connects = |patience| {
        let outcome = tcp_connect(&frontend.namespace, address, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    };
    let device = backend.interface.clone();
    let hooks = || scene.bed.node().run(|| programs_on(&device));
    assert!(!connects(SILENCE));
    assert_eq!(hooks().expect("entered").len(), 2);
    let file = scene.flowd.endpoints().join("shop.backend.yaml");
    for _ in 0..2 {
        std::fs::remove_file(&file).expect("removed");
        let api = scene.api();
        eventually("it is let go", || {
            let (listed, hooks) = (api.endpoint("backend").is_some(), hooks().expect("entered"));
            when(!listed && hooks.is_empty(), (listed, hooks))
        });
        assert!(connects(PATIENCE));
        scene.flowd.write_endpoint(&backend).expect("written");
        eventually("it is guarded again", || {
            let state = api.endpoint("backend").map(|one| one.state);
            when(state.as_deref() == Some("protected"), state)
        });
        assert!(!connects(SILENCE));
    }
    // A workload that is gone for good leaves nothing pinned.
    let pins = || {
        let version = format!("v{}", flowd_abi::ABI_VERSION);
        let links = scene.flowd.bpffs().join(version).join("links");
        let pins = std::fs::read_dir(links).expect("listed").flatten();
        // The program on the kernel's own drops is on no device.
        pins.filter(|pin| pin.file_name() != "kernel_drop").count()
    };
    assert_eq!(pins(), 4);
    std::fs::remove_file(&file).expect("removed");
    drop(backend);
    eventually("only the frontend's links are pinned", || {
        when(pins() == 2, pins())
    });
}
