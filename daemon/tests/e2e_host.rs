//! Policies for the node itself, on its own devices: what they judge and what they leave alone.

mod support;

use flowd_proto::flow::DropReason;
use flowd_testbed::traffic::{Conversation, TcpEcho, UdpEcho, udp_exchange};
use support::edge::{
    Edge, SSH, WEB, answers, any, connects, node_addresses, policy, reason, ssh_only,
};
use support::{PATIENCE, SILENCE, Wanted, eventually, flow_of, put, run_inside, when};

#[test]
fn a_default_deny_lets_in_what_a_rule_names_and_judges_nothing_but_the_hosts_own() {
    let edge = Edge::launched();
    let scene = &edge.scene;
    let _web = TcpEcho::start(&edge.elsewhere.namespace, any(), WEB).expect("listens");
    assert_eq!(edge.reaches(WEB), [true; 2]);
    assert!(
        scene.api().status().expect("a status").endpoints.is_empty(),
        "nothing is attached"
    );
    let mut open = [SSH, WEB].map(|port| edge.talk(port));

    // A file is nobody's change: no connection of ours is kept.
    scene.enforce("edge", &ssh_only());
    let status = scene.api().status().expect("a status");
    assert_eq!(
        status.endpoints.len(),
        2,
        "one row for each device: {:?}",
        status.endpoints
    );
    assert!(
        status
            .endpoints
            .iter()
            .all(|host| (host.id, host.identity) == (1, 1))
    );
    assert!(status.healthy, "{:?}", status.problems);
    // What was open before is judged by what opened it.
    assert!(open[0].say(b"still here", PATIENCE).expect("open"));
    assert!(!open[1].say(b"cut off", SILENCE).expect("silent"));
    assert_eq!(
        (edge.reaches(SSH), edge.reaches(WEB)),
        ([true; 2], [false; 2])
    );
    for address in node_addresses() {
        assert_eq!(answers(&edge.outside.namespace, address), 0);
        let to = |port| flow_of("tcp").destination_ip(address).port(port).ingress();
        let allowed = scene.flow(&to(SSH).forwarded());
        assert_eq!(allowed.ingress_allowed_by[0].name, "edge");
        let denied = scene.flow(&to(WEB).dropped().reply(false));
        assert_eq!(denied.drop_reason_desc(), DropReason::PolicyDenied);
        assert_eq!(denied.ingress_denied_by[0].name, "edge");
        let host = denied.destination.expect("a destination");
        assert_eq!((host.id, host.identity, host.pod_name.as_str()), (1, 1, ""));
        assert!(
            host.labels.contains(&"reserved:host".to_owned()),
            "{:?}",
            host.labels
        );
        assert!(
            host.labels.contains(&"k8s:role=edge".to_owned()),
            "{:?}",
            host.labels
        );
    }
    // The host's own connections out, and what it carries for others, are as they were.
    for address in edge.elsewhere.addresses() {
        assert!(connects(edge.node(), address, WEB), "{address}");
        assert!(connects(&edge.outside.namespace, address, WEB), "{address}");
        assert_eq!(answers(&edge.outside.namespace, address), 1);
    }
    let strangers = Wanted::default()
        .source_ip(edge.outside.ipv4)
        .destination_ip(edge.elsewhere.ipv4);
    assert_eq!(
        scene.flows(&strangers).len(),
        0,
        "what is forwarded is not judged"
    );

    scene.flowd.remove_policy("edge").expect("removed");
    eventually("the host is not guarded", || {
        let status = scene.api().status()?;
        when(status.endpoints.is_empty(), status.endpoints)
    });
    assert_eq!(edge.reaches(WEB), [true; 2]);
    let links = scene
        .flowd
        .bpffs()
        .join(format!("v{}/links", flowd_abi::ABI_VERSION));
    let pins = std::fs::read_dir(links).expect("a directory").flatten();
    let names: Vec<_> = pins.map(|pin| pin.file_name()).collect();
    // The program on the kernel's own drops is on no device.
    assert_eq!(names, ["kernel_drop"], "the programs are gone");
}

#[test]
fn the_hosts_egress_is_judged_and_its_lifelines_are_not() {
    let edge = Edge::launched();
    let scene = &edge.scene;
    let _open = UdpEcho::start(&edge.outside.namespace, any(), 53).expect("listens");
    let _shut = UdpEcho::start(&edge.outside.namespace, any(), 54).expect("listens");
    let rules = "egress: [{toPorts: [{ports: [{port: \"53\", protocol: UDP}]}]}]";
    scene.api().apply(&policy(rules), 0).expect("applied");
    run_inside(
        edge.node(),
        &format!("ip neigh flush dev {}", edge.outside.interface),
    );
    for address in edge.outside.addresses() {
        let exchange = |port, patience| {
            udp_exchange(edge.node(), address, port, b"hello", patience).expect("a try")
        };
        assert!(exchange(53, PATIENCE), "{address}");
        assert!(!exchange(54, SILENCE), "{address}");
        let denied = flow_of("udp").destination_ip(address).port(54).egress();
        let flow = scene.flow(&denied.dropped());
        assert_eq!(flow.source.map(|host| host.identity), Some(1));
        assert_eq!(flow.egress_denied_by[0].name, "edge");
        // Answers to what comes in are no egress of their own.
        assert!(connects(&edge.outside.namespace, node_addresses()[0], SSH));
    }
    // An expired hop is told by the host, in the middle of somebody else's connection.
    for (family, address) in ["-4", "-6"].into_iter().zip(edge.elsewhere.addresses()) {
        let line = ["ping", family, "-c1", "-W2", "-t1", &address.to_string()].map(str::to_owned);
        let mut ping = edge.outside.namespace.command(&line[0]);
        let output = ping.args(&line[1..]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("exceeded"), "{said}");
    }
}

#[test]
fn what_is_masqueraded_passes_with_its_answers() {
    let edge = Edge::new();
    edge.configure(&format!("[{}]", edge.elsewhere.interface));
    let mut edge = edge;
    edge.scene.launch();
    let rules = "add table inet nat
add chain inet nat out { type nat hook postrouting priority 100; }
add rule inet nat out oifname OUT masquerade
"
    .replace("OUT", &edge.elsewhere.interface);
    let file = edge.scene.directory.path().join("nat");
    put(&file, &rules);
    run_inside(edge.node(), &format!("nft -f {}", file.display()));
    let server = TcpEcho::start(&edge.elsewhere.namespace, any(), WEB).expect("listens");
    edge.scene
        .api()
        .apply(&policy("ingress: [{}]\n  egress: [{}]"), 0)
        .expect("applied");
    let mut talks = edge.elsewhere.addresses().map(|address| {
        Conversation::open(&edge.outside.namespace, address, WEB, PATIENCE).expect("passes")
    });
    for (talk, own) in talks.iter_mut().zip(node_addresses()) {
        assert!(talk.say(b"under another name", PATIENCE).expect("open"));
        let flow = edge
            .scene
            .flow(&flow_of("tcp").source_ip(own).port(WEB).forwarded().egress());
        assert_eq!(reason(&flow), "masqueraded");
    }
    // Another policy does not judge them either, and the host itself may not do the same.
    edge.scene
        .api()
        .apply(
            &policy("ingress: [{}]\n  egress: [{toCIDR: [192.0.2.1/32]}]"),
            0,
        )
        .expect("applied");
    for talk in &mut talks {
        assert!(talk.say(b"still", PATIENCE).expect("open"));
    }
    assert!(!connects(edge.node(), edge.elsewhere.ipv4.into(), WEB));
    assert!(!connects(
        &edge.elsewhere.namespace,
        node_addresses()[0],
        SSH
    ));
    assert_eq!(server.accepted(), 2);
}
