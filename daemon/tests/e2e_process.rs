//! Whose flow it is and how much of it there was, against what the processes, /proc and the
//! kernel's own counters say.

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use flowd_proto::{
    flow::Flow,
    flowd::v1::{Attribution, ConnectionState, EventKind, FlowExtension},
};
use flowd_testbed::{
    Namespace, Pod,
    traffic::{UdpEcho, tcp_connect},
};
use support::{Group, counter, eventually, flow_of, octets, policy, told, watched};

const PORT: u16 = 8080;
/// Sends a fixed answer to whoever connects.
const SERVER: &str = "
import socket
listener = socket.create_server(('', 8080))
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b'x' * 1000)
    connection.close()
";
/// Two processes listen on one port and accept nothing; says the second one's number.
const NOT_ACCEPTING: &str = "
import os, socket, time
def listen():
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(('', 8080))
    one.listen(64)
    return one
first = listen()
child = os.fork()
if child == 0:
    first.close()
    second = listen()
    print(os.getpid(), flush=True)
time.sleep(600)
";
/// Sends 20 datagrams of 100 bytes and takes their echoes, without connecting.
const UDP_CLIENT: &str = "
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20):
    client.sendto(b'y' * 100, (sys.argv[1], 7000))
    client.recvfrom(200)
";
/// Ethernet, IPv4 and UDP headers.
const UDP_HEADERS: u64 = 14 + 20 + 8;

/// Tells the end of a UDP flow soon.
const CONFIG: &str = "timeouts: {other: 1}\n";

struct Server(Child);

impl Server {
    fn start(group: &Group, pod: &Pod) -> Self {
        let (server, said) = Self::run(group, pod, SERVER);
        assert_eq!(said, "ready");
        server
    }

    /// Runs a script; with the line it prints.
    fn run(group: &Group, pod: &Pod, script: &str) -> (Self, String) {
        let mut command = group.command(&pod.namespace, &["python3", "-c", script]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("read");
        (Self(child), line.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("it runs still");
        self.0.wait().expect("it ends");
    }
}

fn curl(group: &Group, from: &Pod, to: &Pod, port: u16) -> String {
    let url = format!("http://{}:{port}/", to.ipv4);
    let line = [
        "curl",
        "-s",
        "--http0.9",
        "--max-time",
        "1",
        "-o",
        "/dev/null",
    ];
    let line = [&line[..], &["-w", "%{size_download}", &url]].concat();
    let output = group.command(&from.namespace, &line).output();
    String::from_utf8(output.expect("it runs").stdout).expect("a number")
}

/// Segments and bytes of IPv4 the kernel of a namespace counts, in and out together.
fn counted(namespace: &Namespace) -> (u64, u64) {
    let segments = counter(namespace, "Tcp:", "InSegs") + counter(namespace, "Tcp:", "OutSegs");
    (segments, octets(namespace))
}

#[test]
fn both_ends_of_a_connection_name_their_process_and_count_what_the_kernel_counts() {
    let group = Group::new();
    let mut scene = watched(&group, CONFIG);
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let running = Server::start(&group, &server);
    let before = counted(&client.namespace);
    assert_eq!(curl(&group, &client, &server, PORT), "1000");
    let after = counted(&client.namespace);

    let tcp = flow_of("tcp");
    let (_, asked) = told(&scene, &tcp, EventKind::Close, |process| {
        process.name == "curl"
    });
    let process = asked.process.as_ref().expect("its process");
    assert_eq!(asked.attribution(), Attribution::Exact);
    assert_eq!((process.user_id, process.user.as_str()), (0, "root"));
    assert!(process.started.is_some());
    assert!(
        ["", "/curl"]
            .iter()
            .any(|end| process.executable.ends_with(end))
    );
    assert_eq!(asked.connection_state(), ConnectionState::Closed);
    assert!(asked.handshake_rtt_us > 0 && asked.rtt_us > 0, "{asked:?}");
    assert_eq!(asked.retransmits, Some(0));
    assert!(asked.ended.is_some() && asked.duration.is_some());
    // The last acknowledgment, without data, comes after the second FIN, which ends the flow.
    let packets = asked.sent_packets + asked.received_packets;
    assert_eq!(packets, after.0 - before.0 - 1);
    let bytes = asked.sent_bytes + asked.received_bytes;
    assert_eq!(bytes, after.1 - before.1 - 52 + 14 * packets);

    let pid = running.0.id();
    let (_, served) = told(&scene, &tcp, EventKind::Close, |process| process.pid == pid);
    let process = served.process.as_ref().expect("its process");
    assert_eq!(served.attribution(), Attribution::Exact);
    let proc = format!("/proc/{pid}");
    let executable = fs::read_link(format!("{proc}/exe")).expect("it runs");
    assert_eq!(process.executable, executable.to_string_lossy());
    let name = fs::read_to_string(format!("{proc}/comm")).expect("it runs");
    assert_eq!(process.name, name.trim_end());
    let groups = fs::read_to_string(format!("{proc}/cgroup")).expect("it runs");
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    assert_eq!(Some(process.cgroup.as_str()), own);
    assert_eq!(served.sent_packets, asked.received_packets);
    assert_eq!(served.received_bytes, asked.sent_bytes);
    // Both ends of the one connection, in the histogram of round trips.
    let metrics = scene.flowd.metrics().expect("metrics");
    for (measured, micros) in [
        (
            "handshake",
            asked.handshake_rtt_us + served.handshake_rtt_us,
        ),
        ("smoothed", asked.rtt_us + served.rtt_us),
    ] {
        let of = |part: &str| {
            let name = format!("flowd_connection_rtt_seconds_{part}");
            metrics.sum(&name, &[("measured", measured)])
        };
        assert!((of("count") - 2.0).abs() < f64::EPSILON, "{measured}");
        assert!(
            (of("sum") * 1e6 - f64::from(micros)).abs() < 0.5,
            "{measured}"
        );
    }
}

#[test]
fn what_nobody_has_accepted_is_of_the_process_that_listens() {
    let group = Group::new();
    let mut scene = watched(&group, CONFIG);
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let (running, second) = Server::run(&group, &server, NOT_ACCEPTING);
    let listening = [running.0.id(), second.parse().expect("its number")];
    for _ in 0..20 {
        tcp_connect(&client.namespace, server.ipv4, PORT, support::PATIENCE).expect("tried");
    }
    let told = eventually("each is named", || {
        let flows = scene.flows(&flow_of("tcp"));
        let ends = flows.iter().filter_map(Flow::extension);
        let answers = ends.filter(|end| end.event() == EventKind::Reply);
        let told: Vec<_> = answers.filter(|end| end.process.is_some()).collect();
        support::when(told.len() == 20, told.len()).map(|_| told)
    });
    for end in &told {
        assert_eq!(end.attribution(), Attribution::Inherited, "{end:?}");
    }
    // Which of the two sockets a connection is at is the kernel's choice, by its ports.
    let named = |pid: u32| {
        let is = |end: &&FlowExtension| end.process.as_ref().is_some_and(|one| one.pid == pid);
        told.iter().filter(is).count()
    };
    let [one, other] = listening.map(named);
    assert!(one > 0 && other > 0 && one + other == 20, "{one} {other}");
    let end = Command::new("kill").arg(second).status();
    assert!(end.expect("it runs").success());
}

#[test]
fn datagrams_and_denied_connections_name_their_process_and_nobody_else_is() {
    let group = Group::new();
    let mut scene = watched(&group, CONFIG);
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    let rules = "egressDeny: [{toEntities: [all], toPorts: [{ports: [{port: \"9999\"}]}]}]
  egress: [{toEntities: [all]}]";
    let yaml = policy("no-9999", "client", rules);
    scene.flowd.write_policy("no-9999", &yaml).expect("written");
    scene.launch();
    let any = std::net::IpAddr::from([0, 0, 0, 0]);
    let echo = UdpEcho::start(&server.namespace, any, 7000).expect("listens");
    let address = server.ipv4.to_string();
    let line = ["python3", "-c", UDP_CLIENT, &address];
    let status = group.command(&client.namespace, &line).status();
    assert!(status.expect("it runs").success());
    curl(&group, &client, &server, 9999);

    let (_, denied) = told(
        &scene,
        &flow_of("tcp").dropped(),
        EventKind::Drop,
        |process| process.name == "curl",
    );
    assert_eq!(denied.attribution(), Attribution::Exact);
    let (_, sent) = told(&scene, &flow_of("udp"), EventKind::Close, |process| {
        process.name.starts_with("python")
    });
    let each = (20, 20 * (100 + UDP_HEADERS));
    assert_eq!((sent.sent_packets, sent.sent_bytes), each);
    assert_eq!((sent.received_packets, sent.received_bytes), each);
    // The echo runs in the test itself, which is not in the group.
    let ends = scene.flows(&flow_of("udp").ingress());
    let ends: Vec<_> = ends.iter().filter_map(Flow::extension).collect();
    assert!(!ends.is_empty());
    let nobody =
        |end: &FlowExtension| end.attribution() == Attribution::Unknown && end.process.is_none();
    assert!(
        ends.iter()
            .filter(|end| end.event() == EventKind::Open)
            .all(nobody),
        "{ends:#?}"
    );
    drop(echo);
}

#[test]
fn what_connects_while_no_daemon_runs_is_named_by_the_next_one() {
    let group = Group::new();
    let mut scene = watched(&group, CONFIG);
    let [client, server] = ["client", "server"].map(|name| scene.pod(name));
    scene.launch();
    let _running = Server::start(&group, &server);
    scene.flowd.kill9().expect("it ran");
    assert_eq!(curl(&group, &client, &server, PORT), "1000");
    scene.launch();
    let (_, asked) = told(&scene, &flow_of("tcp"), EventKind::Close, |process| {
        process.name == "curl"
    });
    assert_eq!(asked.attribution(), Attribution::Exact);
    scene.flowd.terminate().expect("it runs");
    scene.flowd.detach().expect("it detaches");
    let pins = scene
        .flowd
        .bpffs()
        .join(format!("v{}", flowd_abi::ABI_VERSION));
    assert!(!pins.exists(), "the links on the control group go too");
}
