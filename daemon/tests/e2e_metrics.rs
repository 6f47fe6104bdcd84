//! `/metrics` as those who live on it see it: a real Prometheus scrapes real traffic, and every
//! expression that is shipped has an answer; a scan keeps to the budget.

mod prometheus;
mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::IpAddr,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, UdpEcho, UdpFlood, ping, tcp_connect, tcp_connections},
};
use prometheus::{Prometheus, dashboards, deploy, hubble, selectors};
use support::{Group, PATIENCE, Running, Scene, eventually, listening, policy, put, watched, when};

/// What waits for an answer that does not come.
const SHORT: Duration = Duration::from_millis(50);
const RULES: &str = "ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: \"8080\"}, {port: \"8081\"}]}]
  - fromEndpoints: [{}]
    icmps: [{fields: [{type: 8, family: IPv4}]}]
  ingressDeny: [{toPorts: [{ports: [{port: \"9999\"}]}]}]";

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// A shop in which connections open and close, are denied by a rule and by none, are audited, are
/// judged by a shadow policy, leave for the world, and have a process.
struct Shop {
    // Before the group, which goes when no process is left in it.
    _page: Running,
    scene: Scene,
    group: Group,
    pods: [Pod; 4],
    _servers: [TcpEcho; 2],
}

impl Shop {
    fn open(config: &str) -> Self {
        let group = Group::new();
        let mut scene = watched(&group, config);
        let pods = ["frontend", "backend", "stranger", "batch"].map(|name| scene.pod(name));
        scene.edit_endpoint(&pods[3], |text| {
            text.replace("mode: enforce", "mode: audit")
        });
        let backend = policy("strict", "backend", RULES);
        scene
            .flowd
            .write_policy("strict", &backend)
            .expect("written");
        let home = policy("home", "stranger", "egress: [{toEntities: [cluster]}]");
        scene.flowd.write_policy("home", &home).expect("written");
        let closed = policy("closed", "batch", "ingress: [{}]\n  egress: []");
        scene
            .flowd
            .write_policy("closed", &closed)
            .expect("written");
        scene.launch();
        let shadow = policy(
            "strict",
            "backend",
            "ingress: [{fromEndpoints: [{matchLabels: {app: stranger}}]}]",
        );
        scene.api().shadow(&shadow).expect("applied");
        let servers = [8080, 7070]
            .map(|port| TcpEcho::start(&pods[1].namespace, any(), port).expect("listens"));
        let line = ["python3", "-m", "http.server", "8081"];
        let mut page = group.command(&pods[1].namespace, &line);
        let page = page.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let page = Running(page.expect("it runs"));
        listening(&pods[1].namespace, 8081);
        Self {
            _page: page,
            scene,
            group,
            pods,
            _servers: servers,
        }
    }

    /// A little of everything.
    fn trade(&self) {
        let [frontend, backend, stranger, batch] = &self.pods;
        for address in backend.addresses() {
            tcp_connections(&frontend.namespace, address, 8080, 5, PATIENCE).expect("attempted");
            tcp_connect(&stranger.namespace, address, 8080, SHORT).expect("attempted");
            tcp_connect(&frontend.namespace, address, 9999, SHORT).expect("attempted");
            tcp_connect(&batch.namespace, address, 7070, SHORT).expect("attempted");
        }
        ping(&frontend.namespace, backend.ipv4, 1).expect("sent");
        let url = format!("http://{}:8081/", backend.ipv4);
        let line = ["curl", "-s", "-o", "/dev/null", "--max-time", "1", &url];
        let mut curl = self.group.command(&frontend.namespace, &line);
        assert!(curl.status().expect("it runs").success());
        self.scene.api().status().expect("a status");
        let world: IpAddr = "198.51.100.7".parse().expect("an address");
        for from in [frontend, stranger] {
            tcp_connect(&from.namespace, world, 443, SHORT).expect("attempted");
        }
    }
}

fn scrape(scene: &Scene) -> String {
    let address = scene.flowd.metrics_address().expect("it serves");
    let url = format!("http://{address}/metrics");
    let output = Command::new("curl")
        .args(["-sf", &url])
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs: `make setup` installs it");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("written");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {output:?}"
    );
}

#[test]
fn every_expression_that_is_shipped_is_answered_from_real_traffic() {
    let config = fs::read_to_string(deploy().join("config/hubble-dashboards.yaml")).expect("there");
    let files = tempfile::tempdir().expect("a directory");
    let path = files.path().display();
    let shop = Shop::open(&format!(
        "{config}
export: [{{name: all, file: {{path: {path}/all.jsonl}}}}]
audit: {{file: {path}/audit.jsonl}}
"
    ));
    let target = shop.scene.flowd.metrics_address().expect("it serves");
    let prometheus = Prometheus::start(target, shop.scene.directory.path());
    let trading = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while trading.load(Ordering::Relaxed) {
                shop.trade();
            }
        });
        // Even a failing assertion ends the trade.
        let _closing = Closing(&trading);
        eventually("connections are seen to close, drop by drop", || {
            let found = prometheus.query(
                "sum(rate(flowd_connection_duration_seconds_count[3s])) > 0 and \
                 sum(rate(hubble_drop_total[3s])) > 0",
            )?;
            when(found.len() == 1, found)
        });
        let rules = eventually("every rule was evaluated", || {
            let rules = prometheus.rules()?;
            let good = rules.iter().all(|(_, health)| health == "ok");
            when(good, rules)
        });
        assert!(rules.len() >= 10, "{rules:?}");
        for selector in rules.iter().flat_map(|(rule, _)| selectors(rule)) {
            let found = prometheus.query(&selector);
            let found = found.unwrap_or_else(|why| panic!("{selector}: {why}"));
            assert!(
                !found.is_empty(),
                "the rules ask for {selector}, which is not there"
            );
        }
        let asked = dashboards().into_iter().chain(hubble());
        let mut without = BTreeSet::new();
        let mut answered = 0;
        for expression in asked {
            let missing = eventually(
                &format!("{}: {:?} is answered", expression.place, expression.text),
                || {
                    let found = prometheus.query(&expression.text)?;
                    let answered = found.iter().any(|(_, value)| !value.is_nan());
                    when(answered || expression.needs.is_some(), found).map(|_| !answered)
                },
            );
            if missing {
                without.extend(expression.needs);
            } else {
                assert_eq!(expression.needs, None, "{} needs nothing", expression.text);
                answered += 1;
            }
        }
        assert!(answered > 130, "only {answered}");
        assert_eq!(
            without.into_iter().collect::<Vec<_>>(),
            ["DNS", "HTTP", "HTTP or DNS"]
        );
        let critical = prometheus.query("ALERTS{alertstate=\"firing\",severity=\"critical\"}");
        assert_eq!(critical.expect("asked"), []);
        let drops = prometheus.query("hubble_drop_total{source=\"shop/stranger\",destination=\"shop/backend\",reason=\"POLICY_DENIED\"}");
        assert!(
            !drops.expect("asked").is_empty(),
            "who was dropped on the way to whom"
        );
    });
    let text = scrape(&shop.scene);
    // Hubble ends the name of a gauge as names of counters end.
    let hubbles = "hubble_dynamic_exporter_exporters_total";
    let checked = text.lines().filter(|line| !line.contains(hubbles));
    let checked: String = checked.flat_map(|line| [line, "\n"]).collect();
    promtool(&["check", "metrics"], &checked);
    let page = fs::read_to_string(deploy().join("../docs/metrics.md")).expect("there");
    for name in text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
    {
        let ledger = name.strip_prefix("flowd_ledger");
        let named = page.contains(&format!("`{name}`"))
            || ledger.is_some_and(|end| page.contains(&format!("`{end}`")));
        assert!(named, "{name} is missing in docs/metrics.md");
    }
    // The rules, their tests, the unit, and every name in what is shipped against this scrape.
    let file = shop.scene.directory.path().join("scrape.txt");
    fs::write(&file, text).expect("written");
    let check = Command::new("python3")
        .arg(deploy().join("check.py"))
        .arg("--metrics")
        .arg(file)
        .output()
        .expect("python runs");
    assert!(check.status.success(), "{check:?}");
}

/// Ends the trade, whatever happens.
struct Closing<'a>(&'a AtomicBool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_scan_keeps_to_the_budget_and_settings_change_while_flows_go_on() {
    let mut scene = Scene::configured(
        "metrics: {budget: 100, plugins: 'flow port-distribution drop:sourceContext=ip connection'}\n",
    );
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let yaml = policy(
        "scanned",
        "backend",
        "ingress: [{toPorts: [{ports: [{port: \"20000\", endPort: 24999}]}]}]",
    );
    scene.flowd.write_policy("scanned", &yaml).expect("written");
    scene.launch();
    let _sink = UdpEcho::start(&backend.namespace, any(), 20_000).expect("listens");
    for ports in [20_000..=20_999, 30_000..=30_999] {
        let scan = UdpFlood {
            target: backend.ipv4.into(),
            ports,
            sockets: 3,
            payload: 8,
        };
        scan.send(&frontend.namespace, 3_000).expect("sent");
    }
    let family = "hubble_port_distribution_total";
    eventually("all flows are counted, most of them together", || {
        let text = scrape(&scene);
        let metrics = flowd_testbed::Metrics::parse(&text);
        let sum = |name, labels: &[(&str, &str)]| metrics.sum(name, labels);
        let told = sum("flowd_events_received_total", &[]);
        let counted = sum("hubble_flows_processed_total", &[]);
        let folded = sum("flowd_metrics_series_folded_total", &[("family", family)]);
        let lines = text.lines().filter(|line| line.starts_with(family)).count();
        let other = sum(family, &[("port", "other")]);
        let good = told == counted && folded == other && folded > 500.0 && lines <= 100;
        let opened = sum("flowd_connections_opened_total", &[("protocol", "UDP")]);
        when(
            good && opened >= 1_000.0,
            (told, counted, folded, other, lines, opened),
        )
    });
    put(
        &scene.directory.path().join("flowd.yaml"),
        "metrics: {budget: 100, plugins: 'flow port-distribution tcp:sourceContext=pod'}\n",
    );
    eventually("the file is in force", || {
        let text = scrape(&scene);
        let good =
            text.contains("# TYPE hubble_tcp_flags_total") && !text.contains("hubble_drop_total{");
        when(good && text.contains("port=\"other\""), text)
    });
    put(
        &scene.directory.path().join("flowd.yaml"),
        "metrics: {plugins: flaw}\n",
    );
    eventually("a broken file is told and changes nothing", || {
        let text = scrape(&scene);
        let good = text.contains("flowd_config_last_reload_successful 0\n");
        when(good && text.contains("# TYPE hubble_tcp_flags_total"), text)
    });
    assert!(
        scene
            .flowd
            .log()
            .expect("a log")
            .contains("unknown metric \"flaw\"")
    );
}

#[test]
fn probes_tell_alive_from_ready_from_well() {
    let mut scene = Scene::new();
    let _backend = scene.pod("backend");
    scene.launch();
    let address = scene.flowd.metrics_address().expect("it serves");
    let ask = |path: &str| {
        let url = format!("http://{address}{path}");
        let output = Command::new("curl")
            .args(["-s", "-w", "%{http_code}", &url])
            .output();
        String::from_utf8(output.expect("curl runs").stdout).expect("text")
    };
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(ask(path), "ok\n200");
    }
    scene
        .flowd
        .write_policy("broken", "kind: CiliumNetworkPolicy\nspec: [\n")
        .expect("written");
    eventually("the broken file makes it unwell", || {
        let said = ask("/healthz");
        when(said.contains("broken.yaml") && said.ends_with("503"), said)
    });
    assert_eq!(ask("/livez"), "ok\n200");
    assert_eq!(ask("/readyz"), "ok\n200");
}
