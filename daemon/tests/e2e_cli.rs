//! `flowctl` against real flows: its filters, its formats, its exit codes.

mod support;

use std::{
    io::{BufRead as _, BufReader},
    net::IpAddr,
    process::Stdio,
};

use flowd_proto::flow::{Flow, Verdict};
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, tcp_connect, udp_exchange},
};
use support::{PATIENCE, SILENCE, Scene, eventually, flow_of, line, policy, text, when};

const FRONTEND_ONLY: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}], \
     toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]";

/// A shop in which all that the tests look for has happened.
struct Shop {
    scene: Scene,
    frontend: Pod,
    backend: Pod,
    _stranger: Pod,
    _server: TcpEcho,
}

impl Shop {
    fn open() -> Self {
        let mut scene = Scene::new();
        let [frontend, backend, stranger] =
            ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
        let yaml = policy("web", "backend", FRONTEND_ONLY);
        scene.flowd.write_policy("web", &yaml).expect("written");
        scene.launch();
        let any: IpAddr = "::".parse().expect("an address");
        let server = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
        for address in backend.addresses() {
            for (from, patience) in [(&frontend, PATIENCE), (&stranger, SILENCE)] {
                tcp_connect(&from.namespace, address, 8080, patience).expect("attempted");
            }
            udp_exchange(&frontend.namespace, address, 53, b"?", SILENCE).expect("attempted");
            scene.flow(
                &flow_of("udp")
                    .to(&backend)
                    .port(53)
                    .family(address)
                    .dropped(),
            );
            let denied = flow_of("tcp").from(&stranger).port(8080).family(address);
            scene.flow(&denied.dropped());
            let answered = flow_of("tcp")
                .from(&backend)
                .source_port(8080)
                .family(address);
            scene.flow(&answered.reply(true));
        }
        Self {
            scene,
            frontend,
            backend,
            _stranger: stranger,
            _server: server,
        }
    }

    /// The flows `flowctl observe -o json` prints with these arguments.
    fn observe(&self, arguments: &[&str]) -> Vec<Flow> {
        let all = [&["observe", "-o", "json", "--all"], arguments].concat();
        self.scene
            .lines(&all)
            .iter()
            .map(|json| flow(json))
            .collect()
    }

    /// Every flow passes `is`, and there are some of both families.
    fn assert_all(&self, arguments: &[&str], is: impl Fn(&Flow) -> bool) {
        let flows = self.observe(arguments);
        let wrong: Vec<String> = flows.iter().filter(|flow| !is(flow)).map(line).collect();
        assert!(wrong.is_empty(), "{arguments:?} let through {wrong:?}");
        for version in [1, 2] {
            let of = |flow: &&Flow| flow.ip.as_ref().is_some_and(|ip| ip.ip_version == version);
            assert!(
                flows.iter().any(|flow| of(&flow)),
                "{arguments:?}: {flows:?}"
            );
        }
    }
}

fn flow(json: &str) -> Flow {
    let answer: GetFlowsResponse = serde_json::from_str(json).expect("an answer");
    match answer.response_types {
        Some(ResponseTypes::Flow(flow)) => flow,
        other => panic!("no flow: {other:?}"),
    }
}

fn pod(endpoint: &Option<flowd_proto::flow::Endpoint>) -> &str {
    endpoint.as_ref().map_or("", |one| one.pod_name.as_str())
}

#[test]
fn filters_pick_what_they_say_and_not_leaves_it_out() {
    let shop = Shop::open();
    let dropped = |flow: &Flow| flow.verdict() == Verdict::Dropped;
    let to_port = |flow: &Flow, port: u32| {
        support::distinct_ports(std::slice::from_ref(flow))
            .iter()
            .any(|one| one.1 == port)
    };
    let from = |flow: &Flow, name: &str| pod(&flow.source) == name;
    let to = |flow: &Flow, name: &str| pod(&flow.destination) == name;
    shop.assert_all(&["--verdict", "DROPPED"], dropped);
    shop.assert_all(&["--not", "--verdict", "DROPPED"], |flow| !dropped(flow));
    shop.assert_all(&["--to-port", "8080"], |flow| to_port(flow, 8080));
    shop.assert_all(&["--to-port", "53"], |flow| to_port(flow, 53));
    shop.assert_all(&["--pod", "shop/frontend"], |flow| {
        from(flow, "frontend") || to(flow, "frontend")
    });
    shop.assert_all(&["--from-pod", "shop/stranger"], |flow| {
        from(flow, "stranger")
    });
    shop.assert_all(&["--not", "--pod", "shop/frontend"], |flow| {
        !from(flow, "frontend") && !to(flow, "frontend")
    });
    shop.assert_all(
        &[
            "--verdict",
            "DROPPED",
            "--not",
            "--protocol",
            "udp",
            "--to-port",
            "8080",
        ],
        |flow| dropped(flow) && from(flow, "stranger") && to_port(flow, 8080),
    );
    shop.assert_all(&["--drop-reason-desc", "POLICY_DENIED"], |flow| {
        flow.drop_reason == 133
    });
    shop.assert_all(
        &["--to-label", "app=backend", "--protocol", "tcp"],
        |flow| to(flow, "backend"),
    );
    shop.assert_all(&["--reply"], |flow| flow.is_reply == Some(true));
    shop.assert_all(&["--type", "drop"], dropped);
    let v6 = shop.observe(&["-6", "--verdict", "DROPPED", "--protocol", "udp"]);
    assert_eq!(v6.len(), 1);
    let own = shop.frontend.ipv6.to_string();
    assert_eq!(
        v6[0].ip.as_ref().map(|ip| ip.source.as_str()),
        Some(own.as_str())
    );
    assert_eq!(shop.observe(&["--ip", "192.0.2.1"]), []);
    assert_eq!(shop.observe(&["--verdict", "AUDIT"]), []);
}

#[test]
fn a_line_says_who_to_whom_what_and_why() {
    let shop = Shop::open();
    let udp = ["observe", "--verdict", "DROPPED", "--protocol", "udp", "-4"];
    let lines = shop.scene.lines(&udp);
    let found = &lines[0];
    for part in ["shop/frontend:", "shop/backend:53", "DROPPED", "UDP", "web"] {
        assert!(found.contains(part), "{part} in {found}");
    }
    assert!(!found.contains('\u{1b}'), "no colours in a pipe: {found:?}");
    let last = shop.scene.lines(&[
        "observe",
        "--last",
        "1",
        "--verdict",
        "DROPPED",
        "-o",
        "json",
    ]);
    assert_eq!(last.len(), 1);
    let table = shop
        .scene
        .lines(&["observe", "--first", "2", "-o", "table"]);
    assert_eq!(table.len(), 3, "a head and two rows: {table:?}");
    let address = shop
        .scene
        .flowd
        .grpc_address()
        .expect("it listens")
        .to_string();
    let over_tcp = shop
        .scene
        .lines(&[&udp[..], &["--server", &address]].concat());
    assert_eq!(over_tcp, lines, "loopback serves the same");
    let wrong = shop.scene.run_flowctl(&["observe", "--verdict", "MAYBE"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("MAYBE"), "{wrong:?}");
}

#[test]
fn follow_prints_what_happens_until_it_is_told_to_stop() {
    let shop = Shop::open();
    let mut follower = shop
        .scene
        .flowctl(&[
            "observe",
            "-f",
            "-o",
            "json",
            "--verdict",
            "DROPPED",
            "--to-port",
            "5353",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let (tell, told) = std::sync::mpsc::channel();
    let out = BufReader::new(follower.stdout.take().expect("a pipe"));
    let reading = std::thread::spawn(move || {
        out.lines().map_while(Result::ok).for_each(|line| {
            let _ = tell.send(line);
        });
    });
    // Nobody knows when it has begun to follow, so there is something to see until it does.
    let seen = eventually("a flow is followed", || {
        udp_exchange(
            &shop.frontend.namespace,
            shop.backend.ipv4,
            5353,
            b"?",
            SILENCE,
        )
        .expect("attempted");
        told.try_recv().map_err(|error| error.to_string())
    });
    let seen = flow(&seen);
    assert_eq!(
        (seen.verdict(), pod(&seen.destination)),
        (Verdict::Dropped, "backend")
    );
    follower.kill().expect("it runs");
    follower.wait().expect("it ends");
    reading.join().expect("no panic");
}

#[test]
fn status_tells_what_is_guarded_and_its_exit_code_whether_all_is_well() {
    let shop = Shop::open();
    let well = shop.scene.run_flowctl(&["status"]);
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    let said = text(&well.stdout);
    for part in [
        "healthy",
        "3 of 3 protected",
        "shop/backend",
        "CiliumNetworkPolicy/shop/web",
        "balance",
    ] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    let json = shop.scene.run_flowctl(&["status", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["healthy"], true);
    assert_eq!(json["ledger"]["balanced"], true);

    shop.scene
        .flowd
        .write_policy("broken", "kind: [")
        .expect("written");
    let ill = eventually("it tells of the broken file", || {
        let output = shop.scene.run_flowctl(&["status"]);
        when(output.status.code() == Some(1), output)
    });
    let said = text(&ill.stdout);
    assert!(
        said.contains("NOT HEALTHY") && said.contains("broken.yaml:1"),
        "{said}"
    );
    assert!(said.contains("3 of 3 protected"), "{said}");
}

#[test]
fn the_hidden_commands_work() {
    let mut scene = Scene::new();
    let _alone = scene.pod("alone");
    scene.launch();
    let services = scene.lines(&["reflect"]);
    for service in ["observer.Observer", "peer.Peer", "flowd.v1.Flowd"] {
        assert!(services.iter().any(|line| line == service), "{services:?}");
    }
    let mut watcher = scene
        .flowctl(&["watch", "peers"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut first = String::new();
    BufReader::new(watcher.stdout.take().expect("a pipe"))
        .read_line(&mut first)
        .expect("a line");
    watcher.kill().expect("it runs");
    watcher.wait().expect("it ends");
    assert!(first.starts_with("PEER_ADDED"), "{first:?}");
}

#[test]
fn a_daemon_that_is_not_there_and_a_reader_that_goes_are_each_one_thing() {
    let mut shop = Shop::open();
    // Only the first flow is taken; the pipe is closed on the rest.
    let mut observer = shop
        .scene
        .flowctl(&["observe", "--all", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(observer.stdout.take());
    let ended = observer.wait_with_output().expect("it ends");
    assert_eq!(
        (ended.status.code(), text(&ended.stderr).as_str()),
        (Some(0), "")
    );

    shop.scene.flowd.terminate().expect("it ends by itself");
    for arguments in [&["status"][..], &["observe"]] {
        let output = shop.scene.run_flowctl(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("flowd is not running") && said.contains("flowd.sock"),
            "{said}"
        );
    }
}
