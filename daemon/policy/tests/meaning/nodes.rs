//! Policies about nodes, and nodes as peers.

use flowd_abi::Direction;
use flowd_policy::{Answer, Label, Labels, Options, Peer, Query, Subject, evaluate, labels, parse};

fn node(kind: &str, role: &str) -> Labels {
    [
        Label::new("reserved", kind, ""),
        Label::new("k8s", "role", role),
    ]
    .into_iter()
    .collect()
}

/// What the spec of a policy of all namespaces says about TCP to port 22.
fn ask(spec: &str, subject: Subject<'_>, peer: &Labels, options: Options) -> Answer {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: p}}\n\
         spec: {{{spec}}}\n"
    );
    let policies = parse("p.yaml", &text).unwrap_or_else(|errors| panic!("{errors:?}"));
    let query = Query {
        subject,
        direction: Direction::Ingress,
        peer: Peer {
            labels: peer,
            address: Some("192.0.2.7".parse().unwrap()),
        },
        protocol: 6,
        port: 22,
        named_ports: None,
        options,
    };
    evaluate(&policies, &query)
}

#[test]
fn a_policy_about_nodes_is_about_no_workload() {
    let (edge, worker) = (node("host", "edge"), node("host", "worker"));
    let web = labels::for_endpoint("shop", [("role", "edge")]).unwrap();
    let world = Labels::reserved(&["world"]);
    let about = |selector: &str, subject| {
        let spec = format!("{selector}, ingress: [{{fromCIDR: [10.0.0.0/8]}}]");
        ask(&spec, subject, &world, Options::default())
    };
    let edges = "nodeSelector: {matchLabels: {role: edge}}";
    let endpoint = Subject::Endpoint { labels: &web };
    assert!(!about(edges, Subject::of(&edge)).is_allowed());
    assert_eq!(about(edges, Subject::of(&worker)), Answer::Unenforced);
    assert_eq!(about(edges, endpoint), Answer::Unenforced);
    assert_eq!(about("nodeSelector: {}", endpoint), Answer::Unenforced);
    let everyone = "endpointSelector: {}";
    assert_eq!(about(everyone, Subject::of(&edge)), Answer::Unenforced);
    assert!(!about(everyone, endpoint).is_allowed());
}

#[test]
fn nodes_are_peers_by_their_labels() {
    let web = labels::for_endpoint("shop", [("role", "edge")]).unwrap();
    let subject = Subject::Endpoint { labels: &web };
    let spec = "endpointSelector: {}, ingress: [{fromNodes: [{matchLabels: {role: edge}}]}]";
    for (peer, allowed) in [
        (node("host", "edge"), true),
        (node("remote-node", "edge"), true),
        (node("host", "worker"), false),
        (web.clone(), false),
        (Labels::reserved(&["world"]), false),
    ] {
        let answer = ask(spec, subject, &peer, Options::default());
        assert_eq!(answer.is_allowed(), allowed, "{peer}");
    }
}

#[test]
fn the_host_reaches_its_workloads_unless_denied() {
    let web = labels::for_endpoint("shop", []).unwrap();
    let subject = Subject::Endpoint { labels: &web };
    let (host, other) = (node("host", "edge"), node("remote-node", "edge"));
    let options = Options {
        allow_localhost: true,
    };
    let nobody = "endpointSelector: {}, ingress: [{}]";
    let asked = |peer, options| ask(nobody, subject, peer, options);
    assert_eq!(asked(&host, options), Answer::AllowedByDefault);
    assert!(!asked(&host, Options::default()).is_allowed());
    assert!(!asked(&other, options).is_allowed());
    let denied = "endpointSelector: {}, ingressDeny: [{fromEntities: [host]}]";
    assert!(!ask(denied, subject, &host, options).is_allowed());
    let nodes = "nodeSelector: {}, ingress: [{}]";
    assert!(!ask(nodes, Subject::of(&host), &host, options).is_allowed());
}
