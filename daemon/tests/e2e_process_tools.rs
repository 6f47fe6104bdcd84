//! Whose flow it is and how much of it there was, with programs people run: iperf3, ncat, a Python
//! client and shells that are gone at once. Held against the programs' own reports, `ss`, /proc and
//! the kernel's counters.

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use flowd_proto::{
    flow::{Flow, layer4::Protocol},
    flowd::v1::{Attribution, ConnectionState, EventKind, FlowExtension, Process},
};
use flowd_testbed::{
    Namespace, Pod,
    traffic::{TcpEcho, UdpEcho},
};
use serde_json::Value;
use support::{
    Group, Running, counter, eventually, flow_of, listening, octets, run_inside, told, watched,
    when,
};

const ETHERNET: u64 = 14;
/// Ethernet, IPv4, and TCP with its timestamps.
const TCP_HEADERS: u64 = ETHERNET + 20 + 32;
/// Ethernet, IPv4 and UDP.
const UDP_HEADERS: u64 = ETHERNET + 20 + 8;
/// Written by `ncat`, echoed by its server, in so many pieces.
const PIECES: u64 = 10;
const PIECE: [u8; 700] = [b'n'; 700];
/// Processes that live as long as it takes to connect.
const SHORT_LIVED: usize = 20;
/// Runs of iperf3, at most.
const TRIES: usize = 10;

/// Sends datagrams of growing size and takes their echoes, then says who it is.
const UDP_CLIENT: &str = "
import json, os, socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(10)
client.connect((sys.argv[1], 7000))
for size in range(1, 101):
    client.send(b'y' * size)
    client.recv(200)
group = [line[3:].strip() for line in open('/proc/self/cgroup') if line.startswith('0::')]
print(json.dumps({
    'pid': os.getpid(),
    'executable': os.readlink('/proc/self/exe'),
    'name': open('/proc/self/comm').read().strip(),
    'user': os.getuid(),
    'cgroup': group[0],
}), flush=True)
sys.stdin.read()
";

/// Packets of IPv4 a namespace counts, in and out together.
fn packets(namespace: &Namespace) -> u64 {
    counter(namespace, "Ip:", "InReceives") + counter(namespace, "Ip:", "OutRequests")
}

fn has_port(flow: &Flow, port: u16) -> bool {
    let l4 = flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref());
    let port = u32::from(port);
    matches!(l4, Some(Protocol::Tcp(tcp)) if tcp.source_port == port || tcp.destination_port == port)
}

/// What /proc says of a process that runs.
fn in_proc(pid: u32) -> (String, String, String) {
    let of = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let executable = fs::read_link(format!("/proc/{pid}/exe")).expect("it runs");
    let groups = of("cgroup");
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
    (
        executable.to_string_lossy().into_owned(),
        of("comm").trim_end().to_owned(),
        group.expect("a group of version 2").to_owned(),
    )
}

fn described(process: &Process) -> (String, String, String) {
    (
        process.executable.clone(),
        process.name.clone(),
        process.cgroup.clone(),
    )
}

/// One run of iperf3.
struct Iperf3 {
    client: u32,
    server: u32,
    report: Value,
}

impl Iperf3 {
    /// Whether the server took all that was sent: iperf3 ends by closing, whatever is under way.
    fn is_whole(&self) -> bool {
        let bytes = |end: &str| self.report["end"][end]["bytes"].as_u64();
        bytes("sum_sent").is_some() && bytes("sum_sent") == bytes("sum_received")
    }
}

fn iperf3(group: &Group, client: &Pod, server: &Pod) -> Iperf3 {
    let mut serving = group.command(&server.namespace, &["iperf3", "-s", "-1"]);
    let serving = Running(serving.stdout(Stdio::null()).spawn().expect("it runs"));
    listening(&server.namespace, 5201);
    let address = server.ipv4.to_string();
    let line = ["iperf3", "-J", "-n", "4M", "-b", "400M", "-c", &address];
    let mut sending = group.command(&client.namespace, &line);
    let sending = sending.stdout(Stdio::piped()).spawn().expect("it runs");
    let client = sending.id();
    let output = sending.wait_with_output().expect("it ends");
    Iperf3 {
        client,
        server: serving.0.id(),
        report: serde_json::from_slice(&output.stdout).expect("JSON"),
    }
}

#[test]
fn iperf3_moves_what_it_says_and_the_namespace_counts() {
    let group = Group::new();
    let mut scene = watched(&group, "update_interval: 1\n");
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let counted = || [packets(&client.namespace), octets(&client.namespace)];
    let (before, run, after) = (0..TRIES)
        .find_map(|_| {
            let before = counted();
            let run = iperf3(&group, &client, &server);
            let after = counted();
            run.is_whole().then_some((before, run, after))
        })
        .expect("a run that the end did not cut off");
    let (pid, report) = (run.client, &run.report);

    // Two connections: one to steer, one for the data, which report and flow know by its port.
    let data_port = report["start"]["connected"][0]["local_port"].as_u64();
    let data_port = u16::try_from(data_port.expect("a port")).expect("a port");
    // The end of a connection is told with the packet that ended it, whichever way it went.
    let both = eventually("both connections have ended", || {
        let flows = scene.flows(&flow_of("tcp"));
        let ends = flows
            .iter()
            .filter_map(|flow| Some((has_port(flow, data_port), flow.extension()?)));
        let of_client = ends.filter(|(_, end)| {
            let own = end
                .process
                .as_ref()
                .is_some_and(|process| process.pid == pid);
            own && end.event() == EventKind::Close
        });
        let ends: Vec<_> = of_client.collect();
        when(ends.len() == 2, ends)
    });
    let data = both
        .iter()
        .find_map(|(is_data, end)| is_data.then_some(end));
    let data = data.expect("the one for the data");
    let process = data.process.as_ref().expect("its process");
    assert_eq!(data.attribution(), Attribution::Exact);
    assert_eq!(
        (process.name.as_str(), process.user.as_str()),
        ("iperf3", "root")
    );
    let payload = report["end"]["sum_sent"]["bytes"].as_u64().expect("bytes");
    let again = report["end"]["sum_sent"]["retransmits"].as_u64();
    assert!(payload >= 4 << 20, "{report}");
    assert_eq!(data.retransmits.map(u64::from), again, "{report}");
    // 37 bytes of iperf3's say whose connection it is; a SYN has 8 bytes of options more.
    let expected = payload + 37 + TCP_HEADERS * data.sent_packets + 8;
    assert_eq!((data.sent_bytes, again), (expected, Some(0)), "{data:?}");

    let sum = |of: fn(&FlowExtension) -> u64| both.iter().map(|(_, end)| of(end)).sum::<u64>();
    let told_packets = sum(|end| end.sent_packets + end.received_packets);
    let told_bytes = sum(|end| end.sent_bytes + end.received_bytes);
    let (packets, octets) = (after[0] - before[0], after[1] - before[1]);
    // Only last acknowledgments, without data, come after what ends a flow.
    let late = packets - told_packets;
    assert!(late <= 2, "{packets} packets, {both:?}");
    assert_eq!(told_bytes + late * TCP_HEADERS, octets + packets * ETHERNET);

    let serving_pid = run.server;
    let (_, served) = told(&scene, &flow_of("tcp"), EventKind::Close, |process| {
        process.pid == serving_pid
    });
    assert_eq!(served.process.expect("its process").name, "iperf3");
}

/// What `ss` says of the one connection to this port: the kernel's `TCP_INFO`.
fn tcp_info(namespace: &Namespace, port: u16, name: &str) -> u64 {
    let all = run_inside(
        namespace,
        &format!("ss -Htin state established dport = :{port}"),
    );
    let value = all
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_default()
}

#[test]
fn ncat_as_a_service_of_another_user_counts_what_its_socket_does() {
    let group = Group::new();
    let unit = group.unit("mirror.service");
    let mut scene = watched(&group, "update_interval: 1\n");
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let line = ["ncat", "-l", "-p", "7777", "-e", "/bin/cat"];
    let serving = unit.command(&server.namespace, &line).spawn();
    let serving = Running(serving.expect("it runs"));
    listening(&server.namespace, 7777);
    let address = server.ipv4.to_string();
    let as_nobody = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
    ];
    let line = [&as_nobody[..], &["ncat", &address, "7777"]].concat();
    let mut calling = group.command(&client.namespace, &line);
    calling.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut calling = Running(calling.spawn().expect("it runs"));
    let mut pipe = calling.0.stdin.take().expect("a pipe");
    let mut echo = BufReader::new(calling.0.stdout.take().expect("a pipe"));
    for _ in 0..PIECES {
        pipe.write_all(&PIECE).expect("written");
        pipe.write_all(b"\n").expect("written");
        let mut line = Vec::new();
        echo.read_until(b'\n', &mut line).expect("read");
        assert_eq!(line.len(), PIECE.len() + 1);
    }
    let pid = calling.0.id();
    let tcp = flow_of("tcp");
    // While it is open: each segment and each byte its socket counts, in and out.
    let (_, open) = eventually("the flow has what the socket has", || {
        let info = |name| tcp_info(&client.namespace, 7777, name);
        let (sent, received) = (info("segs_out"), info("segs_in"));
        let seen = told(&scene, &tcp, EventKind::Update, |process| {
            process.pid == pid
        });
        let flow = &seen.1;
        let same = (flow.sent_packets, flow.received_packets) == (sent, received)
            && flow.sent_bytes == info("bytes_acked") + TCP_HEADERS * sent + 7
            && flow.received_bytes == info("bytes_received") + TCP_HEADERS * received + 8;
        when(same && info("bytes_received") == PIECES * 701, seen)
    });
    let process = open.process.as_ref().expect("its process");
    assert_eq!(described(process), in_proc(pid));
    assert_eq!((process.user_id, process.user.as_str()), (65_534, "nobody"));
    assert_eq!((process.group_id, process.unit.as_str()), (65_534, ""));
    let server_pid = serving.0.id();
    let (_, served) = told(&scene, &flow_of("tcp"), EventKind::Update, |process| {
        process.pid == server_pid
    });
    let process = served.process.as_ref().expect("its process");
    assert_eq!(described(process), in_proc(server_pid));
    assert_eq!(
        (process.unit.as_str(), process.user_id),
        ("mirror.service", 0)
    );

    drop(pipe);
    assert!(calling.0.wait().expect("it ends").success());
    let (_, closed) = told(&scene, &tcp, EventKind::Close, |process| process.pid == pid);
    assert_eq!(closed.connection_state(), ConnectionState::Closed);
    assert_eq!(
        closed.process.expect("its process").executable,
        "/usr/bin/ncat"
    );
}

#[test]
fn a_python_client_over_udp_and_shells_that_are_gone_at_once_are_named() {
    let group = Group::new();
    let mut scene = watched(&group, "timeouts: {other: 1}\n");
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let any = std::net::IpAddr::from([0, 0, 0, 0]);
    let _udp = UdpEcho::start(&server.namespace, any, 7000).expect("listens");
    let _tcp = TcpEcho::start(&server.namespace, any, 8080).expect("listens");
    datagrams(&group, &scene, &client, &server);

    let address = format!("exec 3<>/dev/tcp/{}/8080", server.ipv4);
    let mut shells = Vec::new();
    for _ in 0..SHORT_LIVED {
        let mut command = group.command(&client.namespace, &["bash", "-c", &address]);
        let mut shell = command.spawn().expect("it runs");
        shells.push(shell.id());
        assert!(shell.wait().expect("it ends").success());
    }
    let tcp = flow_of("tcp");
    for pid in shells {
        let (_, flow) = told(&scene, &tcp, EventKind::Open, |process| process.pid == pid);
        let process = flow.process.as_ref().expect("its process");
        assert_eq!(flow.attribution(), Attribution::Exact);
        assert_eq!(
            (process.name.as_str(), process.user.as_str()),
            ("bash", "root")
        );
        assert!(
            process.executable.is_empty() || process.executable.ends_with("/bash"),
            "{process:?}"
        );
    }
}

/// The Python client's flow is its own, and has what the namespace counts.
fn datagrams(group: &Group, scene: &support::Scene, client: &Pod, server: &Pod) {
    let counted = |namespace: &Namespace| {
        let udp = |name| counter(namespace, "Udp:", name);
        [udp("OutDatagrams"), udp("InDatagrams"), octets(namespace)]
    };
    let before = counted(&client.namespace);
    let address = server.ipv4.to_string();
    let line = ["python3", "-c", UDP_CLIENT, &address];
    let mut command = group.command(&client.namespace, &line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("it runs"));
    let mut said = String::new();
    let output = running.0.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut said).expect("read");
    let own: Value = serde_json::from_str(&said).expect("JSON");
    let after = counted(&client.namespace);
    let pid = own["pid"].as_u64();
    let its_own = |process: &Process| Some(u64::from(process.pid)) == pid;
    // It stays until it was looked at.
    told(scene, &flow_of("udp"), EventKind::Open, its_own);
    drop(running.0.stdin.take());
    let (_, flow) = told(scene, &flow_of("udp"), EventKind::Close, its_own);
    let process = flow.process.as_ref().expect("its process");
    assert_eq!(flow.attribution(), Attribution::Exact);
    assert_eq!(own["name"], process.name.as_str());
    assert_eq!(own["cgroup"], process.cgroup.as_str());
    assert_eq!(own["executable"], process.executable.as_str());
    assert_eq!(own["user"], process.user_id);
    let [sent, received, bytes] = [0, 1, 2].map(|index| after[index] - before[index]);
    assert_eq!((flow.sent_packets, flow.received_packets), (sent, received));
    assert_eq!(sent, 100);
    assert_eq!(flow.sent_bytes, (1..=100).sum::<u64>() + 100 * UDP_HEADERS);
    assert_eq!(
        flow.sent_bytes + flow.received_bytes,
        bytes + (sent + received) * ETHERNET
    );
}
