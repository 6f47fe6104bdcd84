//! What the kernel drops by itself: told with its own reason, counted as its own counters count it,
//! and never in the place of a verdict of ours.

mod support;

use std::net::{IpAddr, UdpSocket};

use flowd_proto::{
    flow::{DropReason, Flow, FlowFilter, TrafficDirection},
    flowd::v1::{GetFlowsExtension, KernelDrops},
    observer::GetFlowsRequest,
};
use flowd_testbed::{Namespace, Pod};
use support::{
    Api, Group, Scene, Wanted, eventually, flow_of, policy, put, run_inside, told_packets, when,
};

const PORT: u16 = 7000;
/// What is counted is told within a second.
const CONFIG: &str = "update_interval: 1\n";
/// Listens and never reads; says who it is once it does.
const DEAF: &str = "
import os, socket, sys, time
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
deaf.bind(('', 7000))
print(os.getpid(), flush=True)
time.sleep(60)
";

/// A client and a server that a policy lets talk to each other.
fn shop(config: &str) -> (Scene, [Pod; 2]) {
    let mut scene = Scene::configured(config);
    let pods = ["client", "server"].map(|name| scene.pod(name));
    let rules = "ingress: [{fromEndpoints: [{matchLabels: {app: client}}]}]";
    let yaml = policy("server", "server", rules);
    scene.flowd.write_policy("server", &yaml).expect("written");
    scene.launch();
    (scene, pods)
}

/// A socket of a pod that is bound to no peer: what ICMP says of one datagram stops no other.
fn socket(pod: &Pod, address: IpAddr) -> UdpSocket {
    let any = match address {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let bound = pod.namespace.run(|| UdpSocket::bind(any)).expect("entered");
    bound.expect("bound")
}

fn send(socket: &UdpSocket, to: IpAddr, count: usize) {
    for _ in 0..count {
        socket.send_to(&[7; 100], (to, PORT)).expect("sent");
    }
}

/// Drops of the kernel for this reason, oldest first.
fn drops(api: &Api, reason: &str, wanted: &Wanted) -> Vec<Flow> {
    let extension = GetFlowsExtension {
        kernel_reason: vec![reason.to_owned()],
        ..GetFlowsExtension::default()
    };
    let request = GetFlowsRequest {
        first: true,
        number: u64::MAX,
        whitelist: vec![wanted.0.clone()],
        extensions: Some(extension.pack()),
        ..GetFlowsRequest::default()
    };
    api.get_flows(request).expect("served")
}

/// Waits until the flows of this reason speak for so many packets, and never for more.
fn told(api: &Api, reason: &str, wanted: &Wanted, packets: u64) -> Vec<Flow> {
    eventually(&format!("{packets} packets for {reason}"), || {
        let flows = drops(api, reason, wanted);
        let told = told_packets(&flows);
        assert!(told <= packets, "{told} of {packets}: {flows:#?}");
        when(told == packets, flows)
    })
}

fn counted(api: &Api) -> KernelDrops {
    let status = api.status().expect("a status");
    status.kernel_drops.expect("drops of the kernel")
}

fn by_reason(drops: &KernelDrops, reason: &str) -> u64 {
    let mut reasons = drops.reasons.iter();
    let found = reasons.find(|one| one.reason == reason);
    found.map_or(0, |one| one.packets)
}

/// A counter of the namespace, from /proc/net/snmp or snmp6.
fn counter(namespace: &Namespace, protocol: &str, name: &str) -> u64 {
    let text = run_inside(namespace, "cat /proc/net/snmp /proc/net/snmp6");
    let six = format!("{protocol}{name}");
    if let Some(line) = text.lines().find(|line| line.starts_with(&six)) {
        let value = line.split_whitespace().nth(1).expect("a value");
        return value.parse().expect("a number");
    }
    let start = format!("{protocol}:");
    let mut rows = text.lines().filter(|line| line.starts_with(&start));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let place = names.split(' ').position(|column| column == name);
    let value = values.split(' ').nth(place.expect("the column"));
    value.expect("a value").parse().expect("a number")
}

#[test]
fn a_closed_port_is_told_as_the_kernel_counts_it() {
    let (scene, [client, server]) = shop(CONFIG);
    let api = scene.api();
    let cases = [
        (IpAddr::from(server.ipv4), "Udp"),
        (IpAddr::from(server.ipv6), "Udp6"),
    ];
    for (address, protocol) in cases {
        let from = socket(&client, address);
        send(&from, address, 5);
        let wanted = flow_of("udp").from(&client).to(&server).family(address);
        let flows = told(&api, "NO_SOCKET", &wanted, 5);
        assert_eq!(counter(&server.namespace, protocol, "NoPorts"), 5);
        let [first, ..] = &flows[..] else {
            panic!("a flow");
        };
        assert_eq!(first.drop_reason_desc(), DropReason::SocketLookupFailed);
        assert_eq!(first.traffic_direction(), TrafficDirection::Ingress);
        assert_eq!(
            (first.is_reply, first.summary.as_str()),
            (Some(false), "UDP")
        );
        let extension = first.extension().expect("ours");
        assert_eq!(extension.kernel_reason, "NO_SOCKET");
        assert_eq!(extension.reason, "kernel_no_socket");
        // The connection that policy had let in.
        assert!(extension.connection_opened.is_some(), "{extension:?}");
        assert!(extension.rules.is_empty(), "no rule dropped it");
    }
    let port = PORT;
    let line = &scene.lines(&["observe", "--kernel-reason", "no-socket"])[0];
    assert!(
        line.contains(&format!("shop/server:{port}")) && line.contains("[kernel: NO_SOCKET]"),
        "{line}"
    );
    let why = scene.lines(&["why", "shop/client", "shop/server", "UDP/7000"]);
    let note = "afterwards the kernel dropped a packet of the connection, for its reason NO_SOCKET";
    assert!(why.iter().any(|line| line.contains(note)), "{why:#?}");
    let row = api.ledger("kernel_no_socket", TrafficDirection::Ingress.into());
    assert_eq!((row.packets, row.told + row.coalesced), (10, 10));
    let metrics = scene.flowd.metrics().expect("scraped");
    let count = metrics.sum("flowd_kernel_drops_total", &[("reason", "NO_SOCKET")]);
    assert!((count - 10.0).abs() < 0.5, "{count}");
}

#[test]
fn a_full_receive_buffer_is_told_with_its_process_and_as_often_as_the_kernel_counts() {
    let group = Group::new();
    let mut scene = Scene::with(|builder, directory| {
        put(&directory.join("flowd.yaml"), CONFIG);
        let builder = builder.arg("--config").arg(directory.join("flowd.yaml"));
        builder.env("FLOWD_CGROUP", group.path())
    });
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let mut command = group.command(&server.namespace, &["python3", "-c", DEAF]);
    let mut deaf = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let output = deaf.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("read");

    let address = IpAddr::from(server.ipv4);
    send(&socket(&client, address), address, 500);
    let lost = eventually("all datagrams have arrived", || {
        let arrived = counter(&server.namespace, "Udp", "RcvbufErrors");
        let held = counter(&server.namespace, "Udp", "InDatagrams");
        when(arrived > 400 && held + arrived <= 500, arrived)
    });
    let api = scene.api();
    let wanted = flow_of("udp").to(&server);
    let flows = told(&api, "SOCKET_RCVBUFF", &wanted, lost);
    assert!(flows.len() < 20, "a flood is a few flows: {}", flows.len());
    assert_eq!(flows[0].drop_reason_desc(), DropReason::DropRateLimited);
    let extension = flows[0].extension().expect("ours");
    let process = extension.process.expect("who does not read");
    assert_eq!(process.pid.to_string(), line.trim());
    deaf.kill().expect("it runs still");
    deaf.wait().expect("it ends");
}

#[test]
fn what_another_firewall_drops_is_its_own_and_what_a_policy_drops_is_told_once() {
    let (scene, [client, server]) = shop(CONFIG);
    let api = scene.api();
    let table = |namespace: &Namespace, hook: &str| {
        let file = scene.directory.path().join(hook);
        let rules = format!(
            "table inet t {{ chain c {{ type filter hook {hook} priority 0; \
             udp dport {PORT} counter drop; }}; }}"
        );
        put(&file, &rules);
        run_inside(namespace, &format!("nft -f {}", file.display()));
    };
    let address = IpAddr::from(server.ipv4);
    // On its way through the host the packet is the sender's still.
    table(scene.bed.node(), "forward");
    send(&socket(&client, address), address, 3);
    let wanted = flow_of("udp").from(&client).egress();
    let flows = told(&api, "NETFILTER_DROP", &wanted, 3);
    let extension = flows[0].extension().expect("ours");
    assert_eq!(extension.reason, "kernel_filtered");
    assert!(extension.connection_opened.is_some(), "{extension:?}");
    run_inside(scene.bed.node(), "nft flush ruleset");

    table(&server.namespace, "input");
    send(&socket(&client, address), address, 4);
    let wanted = flow_of("udp").to(&server).ingress();
    told(&api, "NETFILTER_DROP", &wanted, 4);

    // The server may not be reached by itself; a verdict of ours is no drop of the kernel.
    let stranger = scene.pod("stranger");
    eventually("the stranger is guarded", || {
        let status = api.endpoint("stranger").ok_or("unknown")?;
        when(status.state == "protected", status)
    });
    let before = counted(&api);
    send(&socket(&stranger, address), address, 6);
    let wanted = flow_of("udp").from(&stranger);
    eventually("six denials", || {
        let denied = scene.flows(&wanted.clone().dropped());
        when(told_packets(&denied) == 6, denied)
    });
    let after = eventually("six freed by us", || {
        let now = counted(&api);
        when(now.ours >= before.ours + 6, now)
    });
    assert_eq!(drops(&api, "any", &wanted), []);
    assert_eq!(by_reason(&after, "TC_EGRESS"), 0);
    assert_eq!(by_reason(&after, "NETFILTER_DROP"), 7);
}

#[test]
fn what_is_dropped_while_no_daemon_runs_is_told_by_the_next_and_the_switch_turns_it_off() {
    let (mut scene, [client, server]) = shop(CONFIG);
    let address = IpAddr::from(server.ipv4);
    let from = socket(&client, address);
    send(&from, address, 2);
    let wanted = flow_of("udp").to(&server);
    told(&scene.api(), "NO_SOCKET", &wanted, 2);
    scene.flowd.kill9().expect("killed");
    send(&from, address, 40);
    send(&socket(&client, address), address, 3);
    scene.launch();
    let api = scene.api();
    // The flow that was told already goes on; the other is new.
    told(&api, "NO_SOCKET", &wanted, 43);
    assert_eq!(by_reason(&counted(&api), "NO_SOCKET"), 45);

    put(
        &scene.directory.path().join("flowd.yaml"),
        "kernel_drops: {watch: false}\n",
    );
    scene.flowd.kill9().expect("killed");
    scene.launch();
    let api = scene.api();
    let status = counted(&api);
    assert!(!status.watched && status.why_not.contains("kernel_drops.watch"));
    send(&from, address, 2);
    scene.flow(&flow_of("udp").from(&client).to(&server));
    assert_eq!(drops(&api, "any", &Wanted(FlowFilter::default())), []);
}
