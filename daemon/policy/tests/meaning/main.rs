//! What each field means, asked of whole policies: the answers are written by hand from the
//! language's description, so that a misreading shared by both engines shows.

mod later;
mod network_policy;
mod nodes;
mod objects;
mod peers;
mod ports;
mod tiers;

use flowd_abi::{
    Direction,
    protocol::{TCP, UDP},
};
use flowd_policy::{
    Answer, Labels, Options, Peer, Policy, Query, Subject, evaluate, labels, parse,
};

fn endpoint(text: &str) -> Labels {
    let (namespace, app) = text.split_once('/').unwrap();
    labels::for_endpoint(namespace, [("app", app)]).unwrap()
}

/// `namespace/app` or `reserved:name`, each with `@address` where that matters, or an address of
/// the world.
fn answer(
    policies: &[Policy],
    subject: &str,
    direction: Direction,
    peer: &str,
    to: (u8, u16),
) -> Answer {
    let (peer, at) = match peer.split_once('@') {
        Some((peer, at)) => (peer, Some(at.parse().unwrap())),
        None => (peer, None),
    };
    let (labels, address) = if let Some(name) = peer.strip_prefix("reserved:") {
        (Labels::reserved(&[name]), at)
    } else if let Ok(address) = peer.parse() {
        (Labels::reserved(&["world"]), Some(address))
    } else {
        (endpoint(peer), at)
    };
    let subject = endpoint(subject);
    let (protocol, port) = to;
    let named_ports = [(TCP, "web", 80), (UDP, "dns", 53)].into_iter().collect();
    let peer = Peer {
        labels: &labels,
        address,
    };
    evaluate(
        policies,
        &Query {
            subject: Subject::Endpoint { labels: &subject },
            direction,
            peer,
            protocol,
            port,
            named_ports: Some(&named_ports),
            options: Options::default(),
        },
    )
}

struct Asked {
    policies: Vec<Policy>,
    direction: Direction,
}

impl Asked {
    #[track_caller]
    fn allows(&self, peers: &[&str], to: (u8, u16)) -> &Self {
        self.all(peers, to, true)
    }

    #[track_caller]
    fn denies(&self, peers: &[&str], to: (u8, u16)) -> &Self {
        self.all(peers, to, false)
    }

    #[track_caller]
    fn all(&self, peers: &[&str], to: (u8, u16), expected: bool) -> &Self {
        for peer in peers {
            let answer = answer(&self.policies, "shop/web", self.direction, peer, to);
            assert_eq!(answer.is_allowed(), expected, "{peer} {to:?}: {answer:?}");
        }
        self
    }
}

fn asked(kind: &str, direction: Direction, fields: &str) -> Asked {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: p{}}}\nspec: {{endpointSelector: {{}}, {fields}}}\n",
        if kind == "CiliumNetworkPolicy" {
            ", namespace: shop"
        } else {
            ""
        },
    );
    let policies = parse("p.yaml", &text).unwrap_or_else(|errors| panic!("{errors:?}"));
    Asked {
        policies,
        direction,
    }
}

fn ingress(fields: &str) -> Asked {
    asked("CiliumNetworkPolicy", Direction::Ingress, fields)
}

fn egress(fields: &str) -> Asked {
    asked("CiliumNetworkPolicy", Direction::Egress, fields)
}

fn clusterwide(fields: &str) -> Asked {
    asked("CiliumClusterwideNetworkPolicy", Direction::Ingress, fields)
}

const ANYONE: [&str; 5] = [
    "shop/api",
    "bank/api",
    "reserved:host",
    "192.0.2.1",
    "2001:db8::1",
];
const WEB: (u8, u16) = (TCP, 80);
