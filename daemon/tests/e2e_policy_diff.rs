//! `flowctl policy diff` on real traffic: what it says would be cut is cut when the change is made, and
//! what it says would be let through is let through.

mod support;

use flowd_testbed::traffic::{Conversation, TcpEcho, tcp_connect};
use support::{PATIENCE, SILENCE, Scene, eventually, policy, text, when};

const PORT: u16 = 8080;

fn only(peer: &str) -> String {
    let rule = format!("ingress: [{{fromEndpoints: [{{matchLabels: {{app: {peer}}}}}]}}]");
    policy("backend", "backend", &rule)
}

#[test]
fn what_would_change_is_told_before_it_does() {
    let mut scene = Scene::new();
    let [frontend, stranger, backend] =
        ["frontend", "stranger", "backend"].map(|name| scene.pod(name));
    let _server = TcpEcho::start(&backend.namespace, backend.ipv4, PORT).expect("a server");
    scene.launch();
    scene.api().apply(&only("frontend"), 0).expect("applied");
    let mut talk =
        Conversation::open(&frontend.namespace, backend.ipv4, PORT, PATIENCE).expect("connects");
    assert!(talk.say(b"before", PATIENCE).expect("it goes on"));
    let outcome = tcp_connect(&stranger.namespace, backend.ipv4, PORT, SILENCE).expect("a try");
    assert!(!outcome.is_connected());

    let file = scene.directory.path().join("candidate.yaml");
    let path = file.display().to_string();
    std::fs::write(&file, only("frontend")).expect("written");
    let same = scene.run_flowctl(&["policy", "diff", "-f", &path]);
    assert!(same.status.success(), "{same:?}");
    assert!(text(&same.stdout).starts_with("no verdict would change: "));

    std::fs::write(&file, only("stranger")).expect("written");
    let told = eventually("both ends of the change are told", || {
        let told = scene.run_flowctl(&["policy", "diff", "-f", &path]);
        let lines = text(&told.stdout);
        let live = lines
            .lines()
            .any(|line| is(line, "cut", "shop/frontend", Some("1")));
        let denied = lines
            .lines()
            .any(|line| is(line, "opened", "shop/stranger", None));
        when(live && denied && told.status.code() == Some(1), told)
    });
    let lines = text(&told.stdout);
    assert!(lines.contains("spec.ingress[0]"), "{lines}");
    assert!(
        lines.contains("default deny by CiliumNetworkPolicy/shop/backend"),
        "{lines}"
    );
    let json = scene.run_flowctl(&["policy", "diff", "-f", &path, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["changes"][0]["source"], "shop/frontend", "{json}");
    assert!(talk.say(b"nothing changed", PATIENCE).expect("it goes on"));

    scene.api().apply(&only("stranger"), 0).expect("applied");
    assert!(!talk.say(b"cut", SILENCE).expect("no reset"));
    let outcome = tcp_connect(&stranger.namespace, backend.ipv4, PORT, PATIENCE).expect("a try");
    assert!(outcome.is_connected());

    let gone = scene.run_flowctl(&["policy", "diff", "--delete", "shop/backend"]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let lines = text(&gone.stdout);
    assert!(
        lines
            .lines()
            .any(|line| is(line, "opened", "shop/frontend", None)),
        "{lines}"
    );
    assert!(lines.contains("no policy"), "{lines}");
}

/// Whether a line is about a change of this kind from there to the backend; `live` connections.
fn is(line: &str, kind: &str, source: &str, live: Option<&str>) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.starts_with(&[kind, source, "shop/backend", "TCP/8080", "ingress"])
        && live.is_none_or(|live| words.get(5) == Some(&live))
}
