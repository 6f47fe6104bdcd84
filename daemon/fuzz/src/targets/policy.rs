//! Policy files of every kind: read or refused with findings inside the file; and what is read
//! compiles to entries that say what the reference evaluator says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flowd_abi::{Action, Direction, protocol};
use flowd_policy::{
    Answer, Compiled, Contents, Label, Labels, NamedPorts, Peer, PodClass, PolicySet, Query,
    RuleTable, Subject, Target, World,
    cases::{Case, WrittenWorld},
    cidr, compile, evaluate, labels, near_misses, read, suggest,
};

const FILE: &str = "x.yaml";

type UserLabels = &'static [(&'static str, &'static str)];

/// Those who are asked about, by identity: namespace, labels, an address.
const WORKLOADS: [(u32, &str, UserLabels, &str); 3] = [
    (256, "shop", &[("app", "web")], "10.1.2.3"),
    (
        257,
        "shop",
        &[("app", "db"), ("tier", "back")],
        "10.200.0.1",
    ),
    (258, "bank", &[], "2001:db8::9"),
];

const OUTSIDE: [&str; 3] = ["192.0.2.1", "10.9.9.9", "2001:db8:1::1"];

const DESTINATIONS: [(u8, u16); 6] = [
    (protocol::TCP, 80),
    (protocol::TCP, 8_080),
    (protocol::UDP, 53),
    (protocol::SCTP, 9),
    (protocol::ICMP, 8),
    (protocol::ICMPV6, 128),
];

/// Text of a policy file, or of what `flowctl policy test` reads.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = super::lines(text);
    let contents = read(FILE, text);
    let refused = [
        contents.as_ref().err().cloned(),
        Case::read(FILE, text).err(),
        WrittenWorld::read(FILE, text).err(),
    ];
    for finding in refused.into_iter().flatten().flatten() {
        let line = usize::try_from(finding.line).unwrap_or(usize::MAX);
        assert!(line <= lines, "{finding}: of {lines} lines");
        assert!(finding.to_string().len() < 1_000, "a finding without end");
    }
    let Ok(contents) = contents else { return };
    for policy in &contents.policies {
        for warning in &policy.warnings {
            assert!(warning.to_string().len() < 1_000, "a warning without end");
        }
    }
    let contents = [contents];
    agree(&PolicySet::assemble(&contents));
    agree(&PolicySet::assemble_shadow(&contents));
    agree(&PolicySet::assemble_as_if(&contents));
}

/// One peer as both engines know it.
struct Known {
    labels: Labels,
    address: Option<IpAddr>,
    identity: u32,
    class: u32,
}

fn agree(policies: &PolicySet) {
    let mut world = world(policies);
    let peers = peers(&world);
    for (identity, ..) in WORKLOADS {
        let labels = world.identities()[&identity].clone();
        let mut rules = RuleTable::new();
        let subject = Subject::of(&labels);
        // Too many entries is an answer, too.
        let Ok(compiled) = compile(policies, subject, &mut world, &mut rules) else {
            continue;
        };
        for direction in Direction::ALL {
            for peer in &peers {
                for (protocol, port) in DESTINATIONS {
                    let own = world.named_ports().get(&identity);
                    let named_ports = match direction {
                        Direction::Ingress => own,
                        Direction::Egress => world.named_ports().get(&peer.identity),
                    };
                    let query = Query {
                        subject,
                        direction,
                        peer: Peer {
                            labels: &peer.labels,
                            address: peer.address,
                        },
                        protocol,
                        port,
                        named_ports,
                        options: Default::default(),
                    };
                    compare(policies, &compiled, peer, &query);
                }
            }
        }
    }
}

fn compare(policies: &PolicySet, compiled: &Compiled, peer: &Known, query: &Query<'_>) {
    let expected = evaluate(policies.policies(), query);
    let found = compiled.direction(query.direction).map(|direction| {
        let hit = direction.lookup(Target {
            identity: peer.identity,
            class: peer.class,
            protocol: query.protocol,
            port: query.port,
        });
        hit.map(|hit| hit.action)
    });
    let wanted = match &expected {
        Answer::Allowed(_) | Answer::AllowedByDefault => Some(Some(Action::Allow)),
        Answer::Denied(_) => Some(Some(Action::Deny)),
        Answer::DefaultDenied(_) => Some(None),
        Answer::Unenforced => None,
    };
    assert_eq!(found, wanted, "{query:?}: entries against {expected:?}");
    if matches!(expected, Answer::Denied(_) | Answer::DefaultDenied(_)) {
        near_misses(policies.policies(), query, 8);
        let suggested = suggest(query);
        if let Some(text) = suggested {
            let read: Result<Contents, _> = read(FILE, &text);
            assert!(read.is_ok(), "a suggestion that is no policy: {text}");
        }
    }
}

fn world(policies: &PolicySet) -> World {
    let mut world = World::new();
    world.insert(
        1,
        [Label::new("reserved", "host", "")].into_iter().collect(),
    );
    for (identity, namespace, own, _) in WORKLOADS {
        let labels = labels::for_endpoint(namespace, own.iter().copied());
        world.insert(identity, labels.expect("these labels are labels"));
    }
    let ports: NamedPorts = [(protocol::TCP, "web", 80), (protocol::UDP, "dns", 53)]
        .into_iter()
        .collect();
    world.set_named_ports(256, ports);
    let prefixes = policies.pod_prefixes();
    let classes: BTreeSet<PodClass> = if policies.passes() {
        let addresses = WORKLOADS.map(|(owner, .., address)| (owner, ip(address)));
        cidr::pod_classes_in_use(&prefixes, addresses)
    } else {
        let shared = |prefix| PodClass {
            prefix,
            owner: None,
        };
        prefixes.into_iter().map(shared).collect()
    };
    let numbered: BTreeMap<u32, PodClass> = (0x0180_0000..).zip(classes).collect();
    world.set_pod_classes(numbered);
    world.set_classes((0x0100_0000..).zip(policies.prefixes()).collect());
    world
}

fn peers(world: &World) -> Vec<Known> {
    let labels = |identity: u32| world.identities()[&identity].clone();
    let inside = WORKLOADS.map(|(identity, .., address)| Known {
        labels: labels(identity),
        address: Some(ip(address)),
        identity,
        class: cidr::pod_class_of(world.pod_classes(), identity, ip(address)),
    });
    let outside = OUTSIDE.map(|address| Known {
        labels: labels(2),
        address: Some(ip(address)),
        identity: 2,
        class: cidr::class_of(world.classes(), ip(address)),
    });
    inside.into_iter().chain(outside).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("these addresses are addresses")
}
