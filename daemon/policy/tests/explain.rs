//! What is said about a connection that was not allowed is true, and the policy that would allow
//! it does.

use std::fs;

use flowd_abi::{
    Direction,
    protocol::{ICMPV6, SCTP, TCP, UDP},
};
use flowd_policy::{
    Answer, Labels, Options, Peer, Policy, PolicySet, Query, Subject, cases::WrittenWorld,
    evaluate, labels, near_misses, parse, read, suggest,
};

const POLICY: &str = r#"
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}, {port: "9000", endPort: 9010, protocol: TCP}]}]
  - fromCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.128/25]}]
  - fromEntities: [host]
  - {}
"#;

fn endpoint(namespace: &str, app: &str) -> Labels {
    labels::for_endpoint(namespace, [("app", app)]).unwrap()
}

/// The misses of all rules in words, nearest first.
fn misses(peer: &Labels, address: Option<&str>, protocol: u8, port: u16) -> Vec<String> {
    let policies = parse("api.yaml", POLICY).unwrap();
    let subject = endpoint("shop", "api");
    let query = Query {
        subject: Subject::Endpoint { labels: &subject },
        direction: Direction::Ingress,
        peer: Peer {
            labels: peer,
            address: address.map(|address| address.parse().unwrap()),
        },
        protocol,
        port,
        named_ports: None,
        options: Options::default(),
    };
    near_misses(&policies, &query, 10)
        .iter()
        .map(|miss| {
            let missed: Vec<String> = miss.missed.iter().map(ToString::to_string).collect();
            format!("{}: {}", miss.rule.path(), missed.join("; "))
        })
        .collect()
}

#[test]
fn the_nearest_rule_comes_first() {
    let web = endpoint("shop", "web");
    assert_eq!(
        misses(&web, None, TCP, 8081),
        [
            "spec.ingress[0]: TCP port 8081 is not covered, only TCP/8080, TCP/9000-9010",
            "spec.ingress[1]: the peer is no address in 192.0.2.0/24",
            "spec.ingress[2]: the peer is not host",
            "spec.ingress[3]: the rule selects no peer",
        ]
    );
    assert_eq!(
        misses(&web, None, UDP, 8080)[0],
        "spec.ingress[0]: UDP is not covered, only TCP/8080, TCP/9000-9010"
    );
    assert_eq!(
        misses(&endpoint("bank", "web"), None, TCP, 8080)[0],
        "spec.ingress[0]: label k8s:io.kubernetes.pod.namespace must be \"shop\", the peer has \"bank\""
    );
    let world = Labels::reserved(&["world"]);
    let outside = misses(&world, Some("198.51.100.1"), TCP, 8080);
    assert_eq!(
        outside[..2],
        [
            "spec.ingress[0]: label any:app must be \"web\", the peer has no such label; \
             label k8s:io.kubernetes.pod.namespace must be \"shop\", the peer has no such label",
            "spec.ingress[1]: 198.51.100.1 is not in 192.0.2.0/24",
        ]
    );
    let excepted = misses(&world, Some("192.0.2.200"), TCP, 8080);
    assert!(
        excepted[1]
            .ends_with("192.0.2.200 is excepted from 192.0.2.0/24, or belongs to a workload")
    );
}

/// One end that nothing allows: there are reasons, and the suggestion is the remedy.
fn remedied(policies: &PolicySet, query: &Query<'_>) -> bool {
    let Answer::DefaultDenied(_) = evaluate(policies.policies(), query) else {
        return false;
    };
    for miss in near_misses(policies.policies(), query, 5) {
        assert!(!miss.missed.is_empty());
    }
    let Some(text) = suggest(query) else {
        return false;
    };
    let remedy =
        parse("suggestion.yaml", &text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let with: Vec<&Policy> = policies.policies().chain(&remedy).collect();
    let answer = evaluate(with.iter().copied(), query);
    assert!(
        matches!(&answer, Answer::Allowed(rules) if rules.len() == 1),
        "{answer:?}\n{text}"
    );
    let elsewhere = Query {
        port: query.port ^ 1,
        ..*query
    };
    let before = evaluate(policies.policies(), &elsewhere).is_allowed();
    assert_eq!(evaluate(with, &elsewhere).is_allowed(), before, "{text}");
    true
}

#[test]
fn a_suggestion_allows_what_was_denied_and_no_other_port() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/examples/policies"
    );
    let text = |path: std::path::PathBuf| fs::read_to_string(path).unwrap();
    let world = text(std::path::Path::new(directory).join("cases/world.yaml"));
    let world = WrittenWorld::read("world.yaml", &world).unwrap();
    let outside = Labels::reserved(&["world"]);
    let mut peers: Vec<Peer<'_>> = world
        .endpoints
        .values()
        .map(|endpoint| Peer {
            labels: &endpoint.labels,
            address: endpoint.addresses.first().copied(),
        })
        .collect();
    peers.extend(world.externals.values().map(|&address| Peer {
        labels: &outside,
        address: Some(address),
    }));
    let host = Labels::reserved(&["host"]);
    peers.push(Peer {
        labels: &host,
        address: None,
    });

    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    paths.sort();
    let mut remedies = 0;
    for path in paths {
        let contents = read("example.yaml", &text(path)).unwrap();
        let policies = PolicySet::with_groups(contents.policies, &contents.groups);
        for subject in world.endpoints.values() {
            for (peer, direction) in peers
                .iter()
                .flat_map(|peer| Direction::ALL.map(|direction| (peer, direction)))
            {
                for (protocol, port) in [(TCP, 8080), (SCTP, 9), (ICMPV6, 128)] {
                    let query = Query {
                        subject: Subject::Endpoint {
                            labels: &subject.labels,
                        },
                        direction,
                        peer: *peer,
                        protocol,
                        port,
                        named_ports: None,
                        options: Options::default(),
                    };
                    remedies += usize::from(remedied(&policies, &query));
                }
            }
        }
    }
    assert!(remedies > 5_000, "{remedies}");
}

#[test]
fn a_suggestion_reads_like_a_policy() {
    let (subject, peer) = (endpoint("shop", "api"), endpoint("bank", "true"));
    let query = Query {
        subject: Subject::Endpoint { labels: &subject },
        direction: Direction::Ingress,
        peer: Peer {
            labels: &peer,
            address: None,
        },
        protocol: TCP,
        port: 8080,
        named_ports: None,
        options: Options::default(),
    };
    assert_eq!(
        suggest(&query).unwrap(),
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: allow-ingress-tcp-8080
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: api
  ingress:
  - fromEndpoints:
    - matchLabels:
        app: \"true\"
        \"k8s:io.kubernetes.pod.namespace\": bank
    toPorts:
    - ports:
      - port: \"8080\"
        protocol: TCP
"
    );
}
