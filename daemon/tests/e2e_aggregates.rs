//! Live connections and top talkers of real traffic, against what the sockets themselves count, and
//! the flags by which people choose flows beyond Hubble's filters.

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
};

use flowd_testbed::Pod;
use serde_json::Value;
use support::{Group, Scene, eventually, flow_of, policy, text, when};

/// Sends 300000 bytes to port 8080, is answered, tells what TCP counted, and keeps the connection
/// until it is told to end.
const CLIENT: &str = "
import socket, struct, sys
client = socket.create_connection((sys.argv[1], 8080))
client.sendall(b'x' * 300000)
assert client.recv(8) == b'thanks'
info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
acked, received = struct.unpack_from('=QQ', info, 120)
out, into = struct.unpack_from('=II', info, 136)
print(acked, received, out, into, flush=True)
sys.stdin.readline()
";
/// Takes 300000 bytes from each that connects, and thanks.
const SERVER: &str = "
import socket
listener = socket.create_server(('', 8080))
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    left = 300000
    while left > 0:
        left -= len(connection.recv(65536))
    connection.sendall(b'thanks')
    connection.recv(1)
    connection.close()
";
/// Ethernet, IPv4 and TCP headers of a segment with time stamps.
const HEADERS: u64 = 14 + 20 + 32;
/// A SYN has options of 8 bytes more.
const SYN: u64 = 8;

/// A Python program in the group that has said its first line; ends with the value.
struct Python {
    child: Child,
    stdin: Option<ChildStdin>,
    said: String,
}

impl Python {
    fn start(group: &Group, pod: &Pod, program: &str, argument: &str) -> Self {
        let line = ["python3", "-c", program, argument];
        let mut command = group.command(&pod.namespace, &line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut said = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("read");
        let stdin = child.stdin.take();
        Self { child, stdin, said }
    }

    fn end(mut self) {
        let mut stdin = self.stdin.take().expect("once");
        writeln!(stdin).expect("written");
        drop(stdin);
        assert!(self.child.wait().expect("it ends").success());
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs still");
        self.child.wait().expect("it ends");
    }
}

/// What `flowctl` prints with `-o json`.
fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let output = scene.run_flowctl(&[arguments, &["-o", "json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A number that protobuf JSON writes as a text, or leaves out.
fn number(value: &Value) -> u64 {
    value
        .as_str()
        .map_or(0, |text| text.parse().expect("a number"))
}

/// The traffic of the group with these values.
fn row<'a>(answer: &'a Value, group: &[&str]) -> Option<&'a Value> {
    let rows = answer["rows"].as_array()?;
    let fits = |row: &&Value| {
        let values = row["group"].as_array().expect("values");
        let named = |(value, name): (&Value, &&str)| value["value"] == **name;
        values.iter().zip(group).all(named)
    };
    rows.iter().find(fits).map(|row| &row["traffic"])
}

struct Shop {
    group: Group,
    scene: Scene,
    client: Pod,
    server: Pod,
}

impl Shop {
    fn open() -> Self {
        let group = Group::new();
        let mut scene = Scene::with(|builder, _| builder.env("FLOWD_CGROUP", group.path()));
        let [client, server] = ["client", "server"].map(|name| scene.pod(name));
        let rules = "egressDeny: [{toEntities: [all], toPorts: [{ports: [{port: \"9999\"}]}]}]
  egress: [{toEntities: [all]}]";
        let yaml = policy("no-9999", "client", rules);
        scene.flowd.write_policy("no-9999", &yaml).expect("written");
        scene.launch();
        Self {
            group,
            scene,
            client,
            server,
        }
    }

    fn pods(&self) -> [String; 2] {
        [&self.client, &self.server].map(|pod| format!("shop/{}", pod.name))
    }
}

#[test]
fn what_is_listed_and_added_up_is_what_the_socket_counts() {
    let shop = Shop::open();
    let scene = &shop.scene;
    let server = Python::start(&shop.group, &shop.server, SERVER, "");
    let address = shop.server.ipv4.to_string();
    let client = Python::start(&shop.group, &shop.client, CLIENT, &address);
    let counted: Vec<u64> = client
        .said
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [acked, received, _, _] = counted[..] else {
        panic!("{counted:?}");
    };
    // TCP counts the SYN as a byte that was acknowledged.
    assert_eq!((acked, received), (300_001, 6));

    let [client_pod, server_pod] = shop.pods();
    let list = [
        "connections",
        "--from-pod",
        &client_pod,
        "--process",
        "python*",
    ];
    let listed = json(scene, &list);
    let connections = listed["connections"].as_array().expect("a list");
    let egress = |one: &&Value| one["flow"]["traffic_direction"] == "EGRESS";
    let one = connections.iter().find(egress).expect("the client's end");
    let ours = &one["flow"]["extensions"];
    let pid = client.child.id();
    assert_eq!(ours["process"]["pid"], pid, "{one}");
    assert_eq!(ours["connection_state"], "ESTABLISHED");
    assert_eq!(ours["rules"][0]["name"], "no-9999");
    assert_eq!(one["answered"], true);
    assert!(one["flow"]["uuid"].is_null(), "{one}");
    let [sent, bytes] = ["sent_packets", "sent_bytes"].map(|name| number(&ours[name]));
    // The kernel counts the payload, the device the headers of each packet as well.
    assert_eq!(bytes, 300_000 + sent * HEADERS + SYN);

    // The connection is open, so no flow has told its numbers yet; the tables have them.
    let top = ["top", "--all", "--by", "source-pod,destination-pod,port"];
    let answer = json(scene, &top);
    let pair = row(&answer, &[&client_pod, &server_pod, "TCP/8080"]).expect("the pair");
    assert_eq!(number(&pair["sent_bytes"]), bytes, "counted once: {answer}");
    assert_eq!(number(&pair["sent_packets"]), sent);
    assert_eq!(number(&pair["flows"]), 1);
    let by_process = json(
        scene,
        &["top", "--by", "process-id", "--process", &pid.to_string()],
    );
    let rows = by_process["rows"].as_array().expect("rows");
    let total = number(&by_process["total"]["sent_bytes"]);
    assert_eq!((rows.len(), total), (1, bytes), "{by_process}");
    let value = rows[0]["group"][0]["value"].as_str().expect("a value");
    assert!(value.starts_with(&format!("{pid} python")), "{value}");

    client.end();
    eventually("the connection is over, and its bytes stay", || {
        let listed = json(scene, &list);
        let gone = listed["connections"].as_array().is_none_or(Vec::is_empty);
        let answer = json(scene, &top);
        let pair = row(&answer, &[&client_pod, &server_pod, "TCP/8080"]).expect("the pair");
        let moved = number(&pair["sent_bytes"]);
        // The FIN and the last acknowledgments came after it was listed.
        let whole = moved == 300_000 + number(&pair["sent_packets"]) * HEADERS + SYN;
        when(gone && whole && moved > bytes, (listed, answer))
    });
    server.kill();
}

#[test]
fn flows_are_chosen_by_process_rule_and_size_live_and_from_a_file() {
    let shop = Shop::open();
    let scene = &shop.scene;
    let server = Python::start(&shop.group, &shop.server, SERVER, "");
    let address = shop.server.ipv4.to_string();
    Python::start(&shop.group, &shop.client, CLIENT, &address).end();
    let url = format!("http://{address}:9999/");
    let line = ["curl", "-s", "--max-time", "1", &url];
    let mut curl = shop.group.command(&shop.client.namespace, &line);
    assert!(!curl.status().expect("it runs").success());
    scene.flow(&flow_of("tcp").dropped());
    eventually("the transfer has ended", || {
        let lines = scene.lines(&["observe", "--min-bytes", "300k", "--all"]);
        when(!lines.is_empty(), lines)
    });

    let file = scene.directory.path().join("flows.json");
    let all = scene.lines(&["observe", "--all", "-o", "jsonpb"]);
    fs::write(&file, all.join("\n")).expect("written");
    let file = file.to_str().expect("a path");
    let ask = |arguments: &[&str]| {
        let mut sides = [&["--all"][..], &["--input-file", file]].map(|from| {
            let line = [&["observe"][..], arguments, from].concat();
            let mut lines = scene.lines(&line);
            // The sweep goes on telling of what was dropped.
            lines.retain(|line| all_known(line, &all));
            lines
        });
        for lines in &mut sides {
            lines.sort_unstable();
        }
        let [live, offline] = sides;
        assert_eq!(live, offline, "{arguments:?}");
        live
    };
    let dropped = ask(&["--process", "curl"]);
    assert!(!dropped.is_empty());
    assert!(
        dropped.iter().all(|line| line.contains("curl[")),
        "{dropped:#?}"
    );
    let others = ask(&["--not", "--process", "curl"]);
    assert!(!others.is_empty() && others.iter().all(|line| !line.contains("curl[")));
    let denied = ask(&["--rule", "shop/no-9999:spec.egressDeny*"]);
    assert!(
        denied.iter().all(|line| line.contains("DROPPED")),
        "{denied:#?}"
    );
    assert_eq!(denied.len(), dropped.len());
    assert!(ask(&["--rule", "other/*"]).is_empty());
    let large = ask(&["--min-bytes", "300k", "--from-pod", "shop/client"]);
    assert!(
        large.iter().all(|line| line.contains(":8080")),
        "{large:#?}"
    );

    let why = json(
        scene,
        &["top", "--all", "--by", "rule,process", "--sort", "drops"],
    );
    let rule = "CiliumNetworkPolicy/shop/no-9999:spec.egressDeny[0]";
    let drops = row(&why, &[rule, "curl"]).expect("the drops");
    assert!(
        number(&drops["dropped_packets"]) > 0 && drops["sent_bytes"].is_null(),
        "{why}"
    );
    let listed = json(scene, &["connections", "--denied", "--rule", "no-9999"]);
    assert_eq!(
        listed["connections"][0]["flow"]["verdict"], "DROPPED",
        "{listed}"
    );
    server.kill();
}

/// Whether a line is about a moment that the file has.
fn all_known(line: &str, all: &[String]) -> bool {
    let stamp: String = line.chars().skip(7).take(12).collect();
    all.iter().any(|flow| flow.contains(&stamp))
}

/// Runs its arguments on a terminal of its own, interrupts them after three frames, and says how they
/// ended and what they left.
const TERMINAL: &str = "
import os, pty, signal, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave)
os.close(slave)
seen = b''
while seen.count(b'\\x1b[H') < 3:
    seen += os.read(master, 65536)
child.send_signal(signal.SIGINT)
while True:
    try:
        more = os.read(master, 65536)
    except OSError:
        break
    if not more:
        break
    seen += more
print(child.wait(), seen.startswith(b'\\x1b[?1049h\\x1b[?25l'), seen.endswith(b'\\x1b[?25h\\x1b[?1049l'))
print(b'SOURCE-WORKLOAD' in seen, b'total' in seen)
";

#[test]
fn the_screen_is_refreshed_and_given_back_and_elsewhere_it_is_one_table() {
    let shop = Shop::open();
    let scene = &shop.scene;
    let top = scene.flowctl(&["top", "--interval", "200ms"]);
    let output = Command::new("python3")
        .args(["-c", TERMINAL])
        .arg(top.get_program())
        .args(top.get_args())
        .output()
        .expect("it runs");
    assert_eq!(
        text(&output.stdout),
        "0 True True\nTrue True\n",
        "{output:?}"
    );
    let table = text(&scene.run_flowctl(&["top"]).stdout);
    assert!(
        !table.contains('\x1b') && table.contains("total"),
        "{table}"
    );
    let csv = scene.lines(&["top", "--by", "port", "-o", "csv"]);
    assert!(csv[0].starts_with("row,port,flows,sent_packets"), "{csv:?}");
    assert!(
        csv.last().is_some_and(|line| line.starts_with("total,,")),
        "{csv:?}"
    );
    let conns = text(&scene.run_flowctl(&["conns"]).stdout);
    assert!(conns.contains("in the table"), "{conns}");
}
