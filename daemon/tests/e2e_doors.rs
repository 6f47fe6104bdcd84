//! Who is let in: certificates, tokens, roles and namespaces, at a daemon that runs, asked by
//! `flowctl`; each refusal told to the client, in the log, in the status and in the metrics.

mod support;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use flowd_testbed::{PodSpec, traffic::TcpEcho};
use support::{Authority, PATIENCE, Scene, eventually, text, when};

/// A shop and a bank behind a TLS door, and everybody's certificates.
struct Doors {
    scene: Scene,
    files: PathBuf,
    good: Authority,
}

const CLIENTS: &str = "
  - {certificate: operator.test, role: operator}
  - {certificate: observer.test, role: observer}
  - {certificate: bank.test, role: observer, namespaces: [bank]}
  - {token: bank-robot, role: observer, namespaces: [bank]}";

impl Doors {
    fn open() -> Self {
        let scene = Scene::with(|builder, directory| {
            builder.arg("--config").arg(directory.join("flowd.yaml"))
        });
        let files = scene.directory.path().join("tls");
        fs::create_dir(&files).expect("made");
        let good = Authority::new(&files, "ca");
        good.sign("server", "localhost", 2100);
        for name in ["operator", "observer", "bank", "stranger"] {
            good.sign(name, &format!("{name}.test"), 2100);
        }
        good.sign("expired", "operator.test", 2021);
        Authority::new(&files, "other-ca").sign("wrong", "operator.test", 2100);
        // printf %s open-sesame | sha256sum
        fs::write(
            files.join("tokens"),
            "bank-robot sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7\n",
        )
        .expect("written");
        fs::write(files.join("token"), "open-sesame\n").expect("written");
        let mut doors = Self { scene, files, good };
        doors.configure(CLIENTS);
        doors.scene.launch();
        doors
    }

    fn configure(&self, clients: &str) {
        let files = self.files.display();
        let config = format!(
            "tls:
  certificate: {files}/server.crt
  key: {files}/server.key
  client_ca: [{files}/ca.crt]
audit: {{file: {files}/audit.jsonl}}
access:
  tokens: {files}/tokens
  clients: {clients}
"
        );
        support::put(&self.scene.directory.path().join("flowd.yaml"), &config);
    }

    /// `flowctl` at the TLS door, with this certificate where one is named.
    fn flowctl(&self, certificate: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = self.scene.flowctl(&[]);
        let path = |name: String| self.files.join(name);
        let address = self.scene.flowd.grpc_address().expect("an address");
        let program = command.get_program().to_owned();
        command = Command::new(program);
        command
            .args(["--server", &format!("tls://localhost:{}", address.port())])
            .arg("--tls-ca-cert-files")
            .arg(path("ca.crt".to_owned()));
        if let Some(name) = certificate {
            command
                .arg("--tls-client-cert-file")
                .arg(path(format!("{name}.crt")))
                .arg("--tls-client-key-file")
                .arg(path(format!("{name}.key")));
        }
        command.args(arguments);
        command
    }

    fn ask(&self, certificate: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = self.flowctl(certificate, arguments);
        command.output().expect("it runs")
    }

    /// It is refused: the client, the log, the status and the metrics say why.
    fn refused(&self, certificate: Option<&str>, arguments: &[&str], reason: &str, told: &str) {
        let output = self.ask(certificate, arguments);
        let error = text(&output.stderr);
        assert!(!output.status.success(), "{certificate:?}: {output:?}");
        assert!(error.contains(told), "{certificate:?}: {error}");
        eventually("the log names the reason", || {
            let log = self.scene.flowd.log().map_err(|error| error.to_string())?;
            let named = |line: &&str| line.contains("refused") && line.contains(reason);
            when(log.lines().any(|line| named(&line)), log)
        });
        let status = self.scene.api().status().expect("a status");
        let counted = status
            .refused
            .iter()
            .find(|refused| refused.reason == reason);
        let counted = counted.unwrap_or_else(|| panic!("{reason}: {:?}", status.refused));
        assert!(counted.count > 0 && !counted.text.is_empty(), "{counted:?}");
        let metrics = self.scene.flowd.metrics().expect("metrics");
        let labels = [("reason", reason)];
        assert!(
            metrics.sum("flowd_refused_total", &labels) > 0.0,
            "{reason}"
        );
    }

    fn audit(&self) -> String {
        fs::read_to_string(self.files.join("audit.jsonl")).unwrap_or_default()
    }
}

fn protected(scene: &Scene, names: &[&str]) {
    let api = scene.api();
    for name in names {
        eventually("it is protected", || {
            let endpoint = api.endpoint(name).ok_or("it is not listed")?;
            when(endpoint.state == "protected", endpoint)
        });
    }
}

const POLICY: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: by-tls, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{fromEntities: [all]}]
";

#[test]
fn each_is_let_in_for_what_it_may_and_told_why_not() {
    let doors = Doors::open();
    let status = ["status"];
    doors.refused(
        Some("wrong"),
        &status,
        "unknown_ca",
        "does not trust the CA",
    );
    doors.refused(Some("expired"), &status, "certificate_expired", "expired");
    doors.refused(
        None,
        &status,
        "no_client_certificate",
        "wants a client certificate",
    );
    doors.refused(
        Some("stranger"),
        &status,
        "unknown_client",
        "stranger.test has no role",
    );
    let policy = doors.files.join("policy.yaml");
    fs::write(&policy, POLICY).expect("written");
    let apply = ["policy", "apply", "-f", policy.to_str().expect("text")];
    doors.refused(
        Some("observer"),
        &apply,
        "no_right",
        "needs the role operator",
    );
    // A plaintext client finds out, too.
    let address = doors.scene.flowd.grpc_address().expect("an address");
    let mut plain = doors.scene.flowctl(&["status", "--timeout", "3s"]);
    plain
        .env("FLOWD_SERVER", "")
        .args(["--server", &address.to_string()]);
    assert!(!plain.output().expect("it runs").status.success());

    let output = doors.ask(Some("observer"), &status);
    assert!(output.status.success(), "{output:?}");
    let output = doors.ask(Some("operator"), &apply);
    assert!(output.status.success(), "{output:?}");
    eventually("the record has it all", || {
        let record = doors.audit();
        let line = |parts: &[&str]| {
            record
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)))
        };
        let good = line(&["operator.test", "Policies/Apply", "by-tls", "\"ok\""])
            && line(&["observer.test", "Policies/Apply", "no_right"])
            && line(&["stranger.test", "unknown_client"]);
        when(good, record)
    });
}

#[test]
fn an_observer_of_a_namespace_sees_nothing_of_another() {
    let doors = Doors::open();
    let scene = &doors.scene;
    let shop = [scene.pod("web"), scene.pod("db")];
    let bank = ["teller", "vault"].map(|name| {
        let pod = scene.bed.pod(PodSpec::app("bank", name)).expect("a pod");
        scene.flowd.write_endpoint(&pod).expect("written");
        pod
    });
    protected(scene, &["web", "db", "teller", "vault"]);
    let any: std::net::IpAddr = "::".parse().expect("an address");
    for [from, to] in [&shop, &bank] {
        let _server = TcpEcho::start(&to.namespace, any, 8080).expect("listens");
        flowd_testbed::traffic::tcp_connect(&from.namespace, to.ipv4, 8080, PATIENCE)
            .expect("tried");
    }
    let seen = |output: Output| {
        assert!(output.stderr.is_empty(), "{output:?}");
        text(&output.stdout)
    };
    let flows = ["observe", "--last", "100"];
    eventually("both are told of", || {
        let all = seen(doors.ask(Some("observer"), &flows));
        when(all.contains("shop/") && all.contains("bank/"), all)
    });
    let token = doors.files.join("token");
    let token = token.to_str().expect("text");
    let mut by_token = doors.flowctl(Some("observer"), &["observe", "--last", "100"]);
    by_token.args(["--token-file", token]);
    for own in [
        seen(doors.ask(Some("bank"), &flows)),
        seen(by_token.output().expect("it runs")),
        seen(doors.ask(Some("bank"), &["list", "namespaces"])),
        seen(doors.ask(Some("bank"), &["status", "-o", "json"])),
    ] {
        assert!(own.contains("bank"), "{own}");
        assert!(!own.contains("shop"), "{own}");
    }
    let output = doors.ask(Some("bank"), &["why", "shop/web", "shop/db", "TCP/8080"]);
    assert!(!output.status.success(), "{output:?}");
    assert!(
        text(&output.stderr).contains("namespaces you may see"),
        "{output:?}"
    );
}

/// Follows all flows into a file, until it is dropped.
struct Follower {
    child: Child,
    file: PathBuf,
}

impl Follower {
    fn start(doors: &Doors, number: usize) -> Self {
        let file = doors.files.join(format!("followed-{number}"));
        let out = fs::File::create(&file).expect("made");
        let mut command = doors.flowctl(Some("observer"), &["observe", "-f", "-o", "json"]);
        command.stdout(out).stderr(Stdio::null());
        let child = command.spawn().expect("it runs");
        Self { child, file }
    }

    /// Flows to this port it was told of, and whether anything was lost.
    fn told(&self, port: u16) -> (usize, bool) {
        let lines = fs::read_to_string(&self.file).expect("read");
        let port = format!("\"destination_port\":{port}");
        let told = lines.lines().filter(|line| line.contains(&port));
        (told.count(), lines.contains("lost_events"))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself, which is what the test finds out.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn certificates_are_replaced_under_load_and_no_stream_drops() {
    let doors = Doors::open();
    let scene = &doors.scene;
    let [web, db] = ["web", "db"].map(|name| scene.pod(name));
    protected(scene, &["web", "db"]);
    let mut followers: Vec<_> = (0..3)
        .map(|number| Follower::start(&doors, number))
        .collect();
    eventually("all follow", || {
        let open = scene.flowd.metrics().map_err(|error| error.to_string())?;
        when(
            open.sum("flowd_streams", &[]) >= 3.0,
            open.sum("flowd_streams", &[]),
        )
    });
    let any: std::net::IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&db.namespace, any, 8080).expect("listens");
    let connect = || {
        let tried = flowd_testbed::traffic::tcp_connect(&web.namespace, db.ipv4, 8080, PATIENCE);
        assert!(tried.expect("tried").is_connected());
    };
    let first = fs::read_to_string(doors.files.join("server.crt")).expect("read");
    for round in 0..5 {
        doors.good.sign("server", "localhost", 2100 + round);
        for _ in 0..10 {
            connect();
        }
    }
    // Another authority: whoever it did not vouch for stays outside, and who is inside stays.
    let next = Authority::new(&doors.files, "next");
    next.sign("server", "localhost", 2100);
    support::put(&doors.files.join("ca.crt"), &next.pem());
    next.sign("operator", "operator.test", 2100);
    eventually("the new certificates count", || {
        let output = doors.ask(Some("operator"), &["status"]);
        when(output.status.success(), output)
    });
    doors.refused(
        Some("observer"),
        &["status"],
        "unknown_ca",
        "does not trust the CA",
    );
    assert_ne!(
        first,
        fs::read_to_string(doors.files.join("server.crt")).expect("read")
    );
    // What is wrong changes nothing, and is told.
    doors.configure(" [{certificate: operator.test, role: king}]");
    eventually("a broken configuration is told", || {
        let status = scene.api().status()?;
        let told = status
            .problems
            .iter()
            .any(|problem| problem.contains("king"));
        when(told && !status.healthy, status.problems)
    });
    assert!(
        doors
            .ask(Some("operator"), &["list", "namespaces"])
            .status
            .success()
    );
    doors.configure(CLIENTS);
    eventually("a good one heals", || {
        let status = scene.api().status()?;
        when(status.healthy, status.problems)
    });
    for _ in 0..10 {
        connect();
    }
    for follower in &mut followers {
        eventually("every follower is told everything", || {
            let wanted = support::flow_of("tcp").to(&db).port(8080);
            let (seen, told) = (follower.told(8080), scene.flows(&wanted).len());
            when(seen == (told, false) && told >= 60, (seen, told))
        });
        assert!(
            follower.child.try_wait().expect("asked").is_none(),
            "it still follows"
        );
    }
}
