//! The observe API through an independent client: Python with Google's protobuf and gRPC's C core,
//! its code generated from our proto files. What it checks is in `python/observe.py`.

mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use flowd_testbed::traffic::{TcpEcho, ping, tcp_connect, udp_exchange};
use support::{PATIENCE, SILENCE, Scene, flow_of, policy};

/// Where `.ci/setup.sh` puts Python with grpcio.
fn python(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("FLOWD_PYTHON").map(PathBuf::from);
    let python = chosen.unwrap_or_else(|| root.join("target/python/bin/python"));
    assert!(
        python.exists(),
        "{} is not there: run `make setup`",
        python.display()
    );
    python
}

#[test]
fn google_s_client_gets_what_it_asks_for() {
    let mut scene = Scene::new();
    let [frontend, backend, stranger] =
        ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
    let rule = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}]}]";
    let yaml = policy("web", "backend", rule);
    scene.flowd.write_policy("web", &yaml).expect("written");
    scene.launch();
    let any: IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
    for address in backend.addresses() {
        for (from, patience) in [(&frontend, PATIENCE), (&stranger, SILENCE)] {
            tcp_connect(&from.namespace, address, 8080, patience).expect("attempted");
            udp_exchange(&from.namespace, address, 53, b"?", SILENCE).expect("attempted");
        }
        ping(&frontend.namespace, address, 1).expect("attempted");
        let answered = flow_of("tcp")
            .from(&backend)
            .source_port(8080)
            .family(address);
        scene.flow(&answered.reply(true));
        let denied = flow_of("udp").from(&stranger).to(&backend).family(address);
        scene.flow(&denied.dropped());
    }

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it");
    let mut client = Command::new(python(root))
        .arg(root.join("daemon/tests/python/observe.py"))
        .arg(scene.flowd.socket())
        .arg(root.join("proto/proto"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut says = BufReader::new(client.stdout.take().expect("piped")).lines();
    let next = |says: &mut dyn Iterator<Item = std::io::Result<String>>| {
        says.next().map(|line| line.expect("text"))
    };
    assert_eq!(next(&mut says).as_deref(), Some("FOLLOWING"));
    udp_exchange(&frontend.namespace, backend.ipv4, 5454, b"?", SILENCE).expect("attempted");
    let mut stdin = client.stdin.take().expect("piped");
    writeln!(stdin, "5454").expect("written");
    assert_eq!(next(&mut says).as_deref(), Some("DONE"));
    assert!(client.wait().expect("it ends").success());
}
