//! Shadow policies on live traffic: the wire does not feel them, the flows say what they would have
//! done and by which rule, and they become enforced when they are applied as such.

mod support;

use flowd_proto::{
    flow::{Flow, Verdict},
    flowd::v1::{PolicyStatus, ShadowVerdict, WhyBasis, WhyResponse},
};
use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, tcp_connect},
};
use support::{PATIENCE, SILENCE, Scene, Wanted, eventually, flow_of, policy, when};

const ANNOTATION: &str = "annotations: {flowd.io/mode: shadow}";

fn shadow(yaml: &str) -> String {
    yaml.replacen(
        "namespace: shop}",
        &format!("namespace: shop, {ANNOTATION}}}"),
        1,
    )
}

/// Denies a port that the frontend has, and opens one to the stranger.
const TRIED: &str = "ingress:
  - fromEndpoints: [{matchLabels: {app: stranger}}]
    toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]
  ingressDeny:
  - toPorts: [{ports: [{port: \"8081\", protocol: TCP}]}]";

struct Shop {
    scene: Scene,
    frontend: Pod,
    stranger: Pod,
    backend: Pod,
    free: Pod,
    _servers: Vec<TcpEcho>,
}

impl Shop {
    /// The frontend may reach the backend, the stranger may not; nothing is enforced on `free`.
    fn open(shadows: &[(&str, String)]) -> Self {
        let mut scene = Scene::new();
        let [frontend, stranger, backend, free] =
            ["frontend", "stranger", "backend", "free"].map(|name| scene.pod(name));
        let allow = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}]}]";
        let enforced = [("web", policy("web", "backend", allow))];
        for (name, yaml) in enforced.iter().chain(shadows) {
            scene.flowd.write_policy(name, yaml).expect("written");
        }
        scene.launch();
        let servers = [(&backend, 8080), (&backend, 8081), (&free, 8080)]
            .map(|(pod, port)| TcpEcho::start(&pod.namespace, pod.ipv4, port).expect("listens"));
        Self {
            scene,
            frontend,
            stranger,
            backend,
            free,
            _servers: servers.into(),
        }
    }

    fn connect(&self, from: &Pod, to: &Pod, port: u16, passes: bool) {
        let patience = if passes { PATIENCE } else { SILENCE };
        let outcome = tcp_connect(&from.namespace, to.ipv4, port, patience).expect("attempted");
        assert_eq!(outcome.is_connected(), passes, "{outcome:?}");
    }

    /// What the newest flow of a connection says of the shadow policies, and whether it differs.
    fn would(&self, wanted: &Wanted) -> (ShadowVerdict, bool) {
        let flow = self.scene.flow(wanted);
        shadow_of(&flow).unwrap_or_else(|| panic!("no shadow verdict on {flow:?}"))
    }

    fn status(&self, name: &str) -> PolicyStatus {
        let policies = self.scene.api().status().expect("a status").policies;
        let found = policies
            .into_iter()
            .find(|one| one.name == name && one.shadow);
        found.expect("it is listed")
    }
}

fn shadow_of(flow: &Flow) -> Option<(ShadowVerdict, bool)> {
    let extension = flow.extension()?;
    Some((extension.shadow?, extension.shadow_changed))
}

fn to(pod: &Pod, port: u16) -> Wanted {
    flow_of("tcp").to(pod).port(port).ingress()
}

/// The line of a file that says this.
fn line_of(yaml: &str, says: &str) -> u32 {
    let lines = yaml.lines().zip(1..);
    let found = lines.filter(|(line, _)| line.contains(says)).last();
    found.expect("it says so").1
}

#[test]
fn the_wire_is_unaffected_and_the_flows_say_what_would_be() {
    let tried = shadow(&policy("tried", "backend", TRIED));
    let closed = shadow(&policy(
        "closed",
        "free",
        "ingress: [{toPorts: [{ports: [{port: \"1\"}]}]}]",
    ));
    let idle = shadow(&policy("idle", "nobody", "ingress: [{}]"));
    let shop = Shop::open(&[("tried", tried.clone()), ("closed", closed), ("idle", idle)]);
    let (frontend, stranger, backend, free) =
        (&shop.frontend, &shop.stranger, &shop.backend, &shop.free);

    // Denied by a shadow rule, passed by an enforced one.
    shop.connect(frontend, backend, 8081, true);
    let opened = to(backend, 8081).from(frontend).forwarded().event_type(5);
    let (would, changed) = shop.would(&opened);
    assert_eq!(
        (would.verdict(), would.reason.as_str()),
        (Verdict::Dropped, "rule_denied")
    );
    let rule = &would.rules[0];
    assert_eq!(
        (rule.name.as_str(), rule.line),
        ("tried", line_of(&tried, "- toPorts"))
    );
    assert!(changed && rule.file.ends_with("tried.yaml"), "{rule:?}");
    // Allowed by a shadow rule, denied by default.
    shop.connect(stranger, backend, 8080, false);
    let (would, changed) = shop.would(&to(backend, 8080).from(stranger).dropped());
    assert_eq!((would.verdict(), changed), (Verdict::Forwarded, true));
    assert_eq!(would.rules[0].name, "tried");
    // What an enforced rule would decide all the same.
    shop.connect(frontend, backend, 8080, true);
    let (would, changed) = shop.would(&to(backend, 8080).from(frontend).forwarded().event_type(5));
    assert_eq!((would.rules[0].name.as_str(), changed), ("web", false));
    // A default deny where nothing is enforced.
    shop.connect(stranger, free, 8080, true);
    let (would, changed) = shop.would(&to(free, 8080).from(stranger).reply(false));
    assert_eq!((would.reason.as_str(), changed), ("default_denied", true));
    assert_eq!(would.default_denied_by[0].name, "closed");
    // The other end has no shadow policy.
    let egress = flow_of("tcp")
        .from(stranger)
        .port(8080)
        .egress()
        .reply(false);
    assert_eq!(shadow_of(&shop.scene.flow(&egress)), None);

    observed(&shop);
    counted(&shop);
    explained(&shop, &tried);
}

fn observed(shop: &Shop) {
    let lines = shop
        .scene
        .lines(&["observe", "--all", "--shadow", "changed"]);
    assert!(
        lines.iter().all(|line| line.contains("[shadow: would ")),
        "{lines:?}"
    );
    for says in [
        "-> shop/backend:8081",
        "would DROP by CiliumNetworkPolicy/shop/tried (",
        "would ALLOW by CiliumNetworkPolicy/shop/tried (",
        "would DROP by default deny of CiliumNetworkPolicy/shop/closed (",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(says)),
            "{says}: {lines:?}"
        );
    }
    let any = shop
        .scene
        .lines(&["observe", "--all", "--shadow", "any", "-o", "json"]);
    assert!(any.len() > lines.len(), "{any:?}");
    assert!(
        any.iter().all(|line| line.contains("\"shadow\":{")),
        "{any:?}"
    );
}

fn counted(shop: &Shop) {
    let tried = shop.status("tried").shadow_counts.expect("counted");
    assert_eq!(
        (tried.would_drop, tried.matched > 1),
        (1, true),
        "{tried:?}"
    );
    assert!(
        tried.would_allow >= 1 && tried.last_hit.is_some(),
        "{tried:?}"
    );
    assert_eq!(shop.status("idle").endpoints_selected, 0);
    assert_eq!(shop.status("tried").endpoints_selected, 1);
    let metrics = shop.scene.flowd.metrics().expect("metrics");
    let labels = [
        ("policy", "CiliumNetworkPolicy/shop/tried"),
        ("enforced", "forwarded"),
        ("shadow", "dropped"),
    ];
    assert_eq!(
        metrics.sum("flowd_shadow_verdicts_total", &labels) as u64,
        1
    );
    for words in [["status"].as_slice(), &["policy", "list"]] {
        let said = shop.scene.lines(words).join("\n");
        for says in [
            "shop/idle: matched nothing yet since",
            "of which it would drop 1",
        ] {
            assert!(said.contains(says), "{says}: {said}");
        }
    }
}

fn explained(shop: &Shop, tried: &str) {
    let asked = [
        "why",
        "shop/frontend",
        "shop/backend",
        "TCP/8081",
        "--direction",
        "ingress",
    ];
    let json = [asked.as_slice(), &["-o", "json"]].concat();
    let answer: WhyResponse =
        serde_json::from_str(&shop.scene.lines(&json).join("\n")).expect("an answer");
    let end = &answer.ends[0];
    let would = end.shadow.as_ref().expect("a shadow verdict");
    assert_eq!(
        (end.verdict(), would.verdict(), would.basis(), would.changed),
        (Verdict::Forwarded, Verdict::Dropped, WhyBasis::Flow, true)
    );
    let excerpt = would.rules[0].excerpt.as_ref().expect("an excerpt");
    assert_eq!(excerpt.first_line, line_of(tried, "- toPorts"));
    assert!(
        !excerpt.changed && excerpt.yaml.contains("8081"),
        "{excerpt:?}"
    );
    let told = shop.scene.lines(&asked).join("\n");
    for says in [
        "With the shadow policies it would be DROPPED rule_denied: not as enforced",
        "Would be decided by",
        "| - toPorts: [{ports: [{port: \"8081\"",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    // No such flow: the shadow policies are asked all the same.
    let asked = ["why", "-o", "json", "shop/stranger", "shop/free", "TCP/9"];
    let answer: WhyResponse =
        serde_json::from_str(&shop.scene.lines(&asked).join("\n")).expect("an answer");
    let end = answer.ends.last().expect("an end");
    let would = end.shadow.as_ref().expect("a shadow verdict");
    assert_eq!(
        (would.basis(), would.reason.as_str()),
        (WhyBasis::Evaluation, "default_denied")
    );
    assert!(
        would.default_denied_by[0].because[0].contains("ingress"),
        "{would:?}"
    );
}

#[test]
fn an_applied_shadow_survives_a_restart_and_is_promoted() {
    let mut shop = Shop::open(&[]);
    let closed = policy(
        "closed",
        "backend",
        "ingressDeny: [{toPorts: [{ports: [{port: \"8081\"}]}]}]",
    );
    let file = shop.scene.flowd.directory().join("closed.yaml");
    support::put(&file, &closed);
    let file = file.display().to_string();
    let said = shop
        .scene
        .lines(&["policy", "apply", "-f", &file, "--shadow"])
        .join("\n");
    assert!(
        said.contains("applied as shadow CiliumNetworkPolicy/shop/closed"),
        "{said}"
    );
    let opened = to(&shop.backend, 8081).forwarded().event_type(5);
    shop.connect(&shop.frontend, &shop.backend, 8081, true);
    assert!(shop.would(&opened).1);

    shop.scene.flowd.kill9().expect("killed");
    shop.connect(&shop.frontend, &shop.backend, 8081, true);
    shop.scene.launch();
    shop.connect(&shop.frontend, &shop.backend, 8081, true);
    assert!(shop.would(&opened).1);
    let listed = shop.scene.lines(&["policy", "list"]);
    let words = listed.iter().map(|line| line.split_whitespace());
    let mut rows = words.map(Iterator::collect::<Vec<_>>);
    assert!(
        rows.any(|row| row.ends_with(&["shadow", "applied"])),
        "{listed:?}"
    );
    // A new version beside the one of the policy directory takes its place in the reckoning.
    let web = policy(
        "web",
        "backend",
        "ingress: [{fromEndpoints: [{matchLabels: {app: stranger}}]}]",
    );
    let api = shop.scene.api();
    api.shadow(&web)
        .expect("a shadow may have an enforced policy's name");
    let taken = api
        .apply(&web, 0)
        .expect_err("the enforced one is in a file");
    assert!(taken.message().contains("policy directory"), "{taken}");
    shop.connect(&shop.frontend, &shop.backend, 8080, true);
    let (would, changed) = shop.would(&to(&shop.backend, 8080).forwarded().event_type(5));
    assert_eq!((would.reason.as_str(), changed), ("default_denied", true));

    // Promoted: the same text without --shadow.
    shop.scene.lines(&["policy", "apply", "-f", &file]);
    shop.connect(&shop.frontend, &shop.backend, 8081, false);
    let shadows = eventually("one shadow policy is left", || {
        let shadows = api.policies().into_iter().filter(|one| one.shadow);
        let names: Vec<String> = shadows.map(|one| one.name).collect();
        when(names == ["web"], names)
    });
    shop.scene.lines(&["policy", "delete", "shop/web"]);
    assert_eq!(
        (shadows.len(), api.policies().iter().any(|one| one.shadow)),
        (1, false)
    );
    shop.connect(&shop.frontend, &shop.backend, 8080, true);
    eventually("flows say nothing of it any more", || {
        let wanted = to(&shop.backend, 8080).forwarded().event_type(5);
        let newest = shop.scene.flow(&wanted);
        when(shadow_of(&newest).is_none(), newest)
    });
}
