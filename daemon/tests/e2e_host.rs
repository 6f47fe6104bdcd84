//! Policies for the node itself, on its own devices: what they judge and what they leave alone, the
//! operator they must not cut off, and the switch that puts them out of force.

mod support;

use std::{
    net::IpAddr,
    process::{Child, Command},
};

use flowd_proto::{
    flow::{DropReason, Flow},
    flowd::v1::BreakGlassAction,
};
use flowd_testbed::{
    GATEWAY_V4, GATEWAY_V6, Namespace, World,
    traffic::{Conversation, Outcome, TcpEcho, UdpEcho, ping, tcp_connect, udp_exchange},
};
use support::{PATIENCE, SILENCE, Scene, Wanted, eventually, flow_of, put, run_inside, when};

const SSH: u16 = 22;
const WEB: u16 = 8080;

/// A node between two outside hosts, guarded on both its devices.
struct Edge {
    scene: Scene,
    outside: World,
    elsewhere: World,
    _servers: Vec<TcpEcho>,
}

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// Its addresses, seen from outside.
fn node_addresses() -> [IpAddr; 2] {
    [GATEWAY_V4.into(), GATEWAY_V6.into()]
}

/// A policy for every node.
fn policy(rules: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: edge}}\n\
         spec:\n  nodeSelector: {{matchLabels: {{role: edge}}}}\n  {rules}\n"
    )
}

/// Lets nobody in but by the port of ssh.
fn ssh_only() -> String {
    policy(
        "ingress: [{fromEntities: [world], toPorts: [{ports: [{port: \"22\", protocol: TCP}]}]}]",
    )
}

/// Lets nobody in.
fn nobody() -> String {
    policy("ingress: [{}]")
}

impl Edge {
    fn new() -> Self {
        let scene = Scene::configured("");
        let [outside, elsewhere] =
            ["outside", "elsewhere"].map(|name| scene.bed.world(name).expect("a host"));
        let edge = Self {
            _servers: [SSH, WEB]
                .map(|port| TcpEcho::start(scene.bed.node(), any(), port).expect("listens"))
                .into(),
            scene,
            outside,
            elsewhere,
        };
        let devices = format!("[{}, {}]", edge.outside.interface, edge.elsewhere.interface);
        edge.configure(&devices);
        edge
    }

    fn configure(&self, devices: &str) {
        let config = format!("host: {{devices: {devices}, labels: {{role: edge}}}}\n");
        put(&self.scene.directory.path().join("flowd.yaml"), &config);
    }

    fn launched() -> Self {
        let mut edge = Self::new();
        edge.scene.launch();
        edge
    }

    fn node(&self) -> &Namespace {
        self.scene.bed.node()
    }

    fn reaches(&self, port: u16) -> [bool; 2] {
        node_addresses().map(|address| connects(&self.outside.namespace, address, port))
    }

    fn talk(&self, port: u16) -> Conversation {
        Conversation::open(&self.outside.namespace, GATEWAY_V4, port, PATIENCE).expect("open")
    }

    fn offline(&self, switch: &str) {
        let flowd = &self.scene.flowd;
        let output = Command::new(env!("CARGO_BIN_EXE_flowd"))
            .args(["break-glass", switch, "--state"])
            .arg(flowd.state())
            .arg("--bpffs")
            .arg(flowd.bpffs())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    }
}

fn connects(from: &Namespace, to: IpAddr, port: u16) -> bool {
    tcp_connect(from, to, port, SILENCE).expect("a try") == Outcome::Connected
}

/// Of one ping.
fn answers(from: &Namespace, to: IpAddr) -> u32 {
    ping(from, to, 1).expect("it runs")
}

fn reason(flow: &Flow) -> String {
    flow.extension().expect("flowd's own words").reason
}

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
    let pins = std::fs::read_dir(links).expect("a directory").count();
    assert_eq!(pins, 0, "the programs are gone");
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

/// What serves a session is no process of the test's, whose own connections are kept like those of
/// any ancestor of whoever makes a change.
const SESSION: &str = "use IO::Socket::INET; $s = IO::Socket::INET->new(Listen => 5, LocalPort => \
    2222, ReuseAddr => 1) or die; while ($c = $s->accept) { if (!fork) { while (sysread($c, $b, \
    4096)) { syswrite($c, $b) } exit } close $c }";
const SESSIONS: u16 = 2222;

struct Sessions(Child);

impl Sessions {
    fn start(edge: &Edge) -> Self {
        let server = edge.node().command("perl").args(["-e", SESSION]).spawn();
        let server = Self(server.expect("perl runs"));
        eventually("sessions are served", || {
            let up = connects(&edge.outside.namespace, GATEWAY_V4.into(), SESSIONS);
            when(up, up)
        });
        server
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_operators_connection_is_kept_over_a_policy_that_cuts_it_and_over_a_crash() {
    let mut edge = Edge::launched();
    let _sessions = Sessions::start(&edge);
    let mut session = edge.talk(SESSIONS);
    let own = session.local_address().expect("an address");
    let named = |port| format!("{} {port} {GATEWAY_V4} {SESSIONS}", own.ip());
    let answer = edge
        .scene
        .api()
        .apply_from(&named(own.port()), &nobody(), 0);
    let answer = answer.expect("applied");
    assert_eq!(answer.kept.len(), 1, "{answer:?}");
    assert_eq!(answer.kept[0].own, format!("{GATEWAY_V4}:{SESSIONS}"));
    assert!(session.say(b"still here", PATIENCE).expect("open"));
    assert!(
        !connects(&edge.outside.namespace, GATEWAY_V4.into(), SESSIONS),
        "another one"
    );
    let told = flow_of("tcp").source_port(own.port()).ingress().forwarded();
    eventually("the flow says why it passes", || {
        let reasons: Vec<String> = edge.scene.flows(&told).iter().map(reason).collect();
        when(reasons.contains(&"operator_guard".to_owned()), reasons)
    });

    edge.scene.flowd.kill9().expect("killed");
    assert!(session.say(b"nobody is there", PATIENCE).expect("open"));
    edge.scene.launch();
    assert!(session.say(b"somebody is", PATIENCE).expect("open"));
    // A change made from elsewhere cuts it no more than the first one did.
    let other = policy("ingress: [{fromCIDR: [192.0.2.1/32]}]");
    let answer = edge.scene.api().apply(&other, 0).expect("applied");
    assert!(answer.kept.is_empty(), "{answer:?}");
    assert!(
        answer
            .notes
            .iter()
            .any(|note| note.contains("no connection of yours")),
        "{answer:?}"
    );
    assert!(session.say(b"still", PATIENCE).expect("open"));
    let kept = || {
        edge.scene
            .api()
            .status()
            .expect("a status")
            .host
            .unwrap_or_default()
            .kept
    };
    assert_eq!(kept().len(), 1);
    drop(session);
    eventually("nothing is kept", || when(kept().is_empty(), kept()));
    // What only says that it is a session is not kept.
    let answer = edge
        .scene
        .api()
        .apply_from(&named(1), &nobody(), 0)
        .expect("applied");
    assert!(answer.kept.is_empty(), "{answer:?}");
}

#[test]
fn the_connection_of_a_process_above_the_one_that_asks_is_kept() {
    let edge = Edge::launched();
    let mut session = edge.talk(SSH);
    // As in a shell whose session this process serves.
    let file = edge.scene.directory.path().join("edge.yaml");
    put(&file, &nobody());
    let file = file.display().to_string();
    let said = edge
        .scene
        .lines(&["policy", "apply", "-f", &file])
        .join("\n");
    let own = session.local_address().expect("an address");
    assert!(
        said.contains(&format!(
            "whatever the policies say: {own} to {GATEWAY_V4}:22"
        )),
        "{said}"
    );
    assert!(session.say(b"still here", PATIENCE).expect("open"));
    assert_eq!(edge.reaches(SSH), [false; 2]);
}

#[test]
fn a_broken_glass_stays_broken_until_it_is_mended() {
    use BreakGlassAction::{BreakGlassOff, BreakGlassOn};
    let mut edge = Edge::launched();
    let _far = TcpEcho::start(&edge.outside.namespace, any(), WEB).expect("listens");
    edge.scene.api().apply(&nobody(), 0).expect("applied");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    assert!(edge.scene.api().break_glass(BreakGlassOn).break_glass);
    assert_eq!(edge.reaches(SSH), [true; 2]);
    let status = edge.scene.api().status().expect("a status");
    assert!(
        status.problems[0].starts_with("BREAK-GLASS is on since"),
        "{:?}",
        status.problems
    );
    assert!(status.endpoints.iter().all(|host| host.mode == "off"));
    let metrics = edge.scene.flowd.metrics().expect("metrics");
    assert!(metrics.sum("flowd_host_break_glass", &[]) > 0.5);

    edge.scene.flowd.kill9().expect("killed");
    assert_eq!(edge.reaches(SSH), [true; 2]);
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [true; 2]);
    // Whom the host has called meanwhile may answer afterwards.
    let mut call = Conversation::open(edge.node(), edge.outside.ipv4, WEB, PATIENCE).expect("open");
    assert!(!edge.scene.api().break_glass(BreakGlassOff).break_glass);
    assert_eq!(edge.reaches(SSH), [false; 2]);
    assert!(call.say(b"hello", PATIENCE).expect("open"));

    edge.scene.flowd.kill9().expect("killed");
    edge.offline("on");
    assert_eq!(edge.reaches(SSH), [true; 2], "without a daemon");
    edge.offline("off");
    assert_eq!(
        edge.reaches(SSH),
        [true; 2],
        "nobody has learned what was opened"
    );
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [false; 2]);
    let metrics = edge.scene.flowd.metrics().expect("metrics");
    assert!(metrics.sum("flowd_host_break_glass", &[]) < 0.5);
}

#[test]
fn a_policy_nobody_confirms_is_undone_also_by_the_next_daemon() {
    let mut edge = Edge::launched();
    let answer = edge.scene.api().apply(&nobody(), 2).expect("applied");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    edge.scene.flowd.kill9().expect("killed");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    let undone_at = answer.undone_at.expect("a time").unix_nanos();
    eventually("its time is over", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        when(
            now.expect("after 1970").as_nanos() > u128::from(undone_at),
            "not yet",
        )
    });
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [true; 2]);
}
