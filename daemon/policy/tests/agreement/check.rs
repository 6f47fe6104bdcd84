//! Asks both engines about every connection of a small world.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use flowd_abi::{Action, Direction, PolicyKey, protocol};
use flowd_policy::{
    Answer, Compiled, CompiledEntry, Entity, Hit, Label, Labels, MatchType, NamedPorts, Options,
    Peer, PeerSelector, Peers, PodClass, PolicySet, Query, RuleRef, RuleTable, Subject, Target,
    World, cidr, compile, evaluate, labels, parse,
};

use crate::generate::{ICMP_TYPES, LOCALHOST, PORTS};

/// How often each answer was given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) allowed: usize,
    pub(crate) denied: usize,
    pub(crate) default_denied: usize,
    pub(crate) allowed_by_default: usize,
    pub(crate) unenforced: usize,
    /// Entries worked out for a peer as a whole, since a rule passed.
    pub(crate) worked_out: usize,
}

impl Asked {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            allowed: self.allowed + other.allowed,
            denied: self.denied + other.denied,
            default_denied: self.default_denied + other.default_denied,
            allowed_by_default: self.allowed_by_default + other.allowed_by_default,
            unenforced: self.unenforced + other.unenforced,
            worked_out: self.worked_out + other.worked_out,
        }
    }

    pub(crate) fn total(self) -> usize {
        self.allowed + self.denied + self.default_denied + self.allowed_by_default + self.unenforced
    }

    fn count(&mut self, answer: &Answer) {
        *match answer {
            Answer::Allowed(_) => &mut self.allowed,
            Answer::AllowedByDefault => &mut self.allowed_by_default,
            Answer::Denied(_) => &mut self.denied,
            Answer::DefaultDenied(_) => &mut self.default_denied,
            Answer::Unenforced => &mut self.unenforced,
        } += 1;
    }
}

const WORLD_ADDRESSES: [&str; 9] = [
    "10.1.2.3",
    "10.1.2.4",
    "10.1.9.9",
    "10.9.9.9",
    "192.0.2.1",
    "198.51.100.1",
    "2001:db8:1::1",
    "2001:db8:2::1",
    "2606::1",
];

type UserLabels = &'static [(&'static str, &'static str)];

/// Endpoints by identity: namespace and labels.
const ENDPOINTS: [(u32, &str, UserLabels); 6] = [
    (256, "shop", &[("app", "web")]),
    (257, "shop", &[("app", "api"), ("tier", "back")]),
    (258, "shop", &[("app", "db"), ("tier", "back")]),
    (259, "bank", &[("app", "web")]),
    (260, "bank", &[]),
    (261, "default", &[("app", "db"), ("tier", "back")]),
];

/// Addresses of endpoints and of the host, where they have any.
const ADDRESSES: [(u32, &str); 5] = [
    (1, "10.1.2.200"),
    (256, "10.1.2.3"),
    (257, "10.200.0.1"),
    (259, "2001:db8::9"),
    (260, "192.0.2.77"),
];

type Named = &'static [(u8, &'static str, u16)];

/// Named ports by identity, where it has any. One name stands for two numbers.
const NAMED: [(u32, Named); 3] = [
    (
        256,
        &[(protocol::TCP, "web", 80), (protocol::UDP, "dns", 443)],
    ),
    (
        257,
        &[(protocol::TCP, "web", 80), (protocol::TCP, "web", 81)],
    ),
    (
        261,
        &[(protocol::TCP, "web", 1), (protocol::SCTP, "dns", 80)],
    ),
];

/// One peer as both engines know it.
struct Known {
    labels: Labels,
    address: Option<IpAddr>,
    identity: u32,
    class: u32,
    named_ports: Option<NamedPorts>,
}

/// Labels of this node and of another, by identity.
const NODES: [(u32, &str, &str); 2] = [(1, "host", "edge"), (6, "remote-node", "worker")];

/// What has this precedence, or a higher one, leaves nothing to other keys.
const WORKED_OUT: u32 = 0xff_fffe << 8;

/// Both engines on every subject, direction, peer and destination.
pub(crate) fn agree(text: &str) -> Result<Asked, String> {
    let policies: PolicySet = parse("random.yaml", text)
        .map_err(|errors| format!("{errors:?}\n{text}"))?
        .into_iter()
        .collect();
    let options = Options {
        allow_localhost: text.starts_with(LOCALHOST),
    };
    let policies = policies.with_options(options);
    let mut world = World::new();
    for (identity, reserved, role) in NODES {
        let own = [("reserved", reserved, ""), ("k8s", "role", role)];
        let labels = own.map(|(source, key, value)| Label::new(source, key, value));
        world.insert(identity, labels.into_iter().collect());
    }
    for (identity, namespace, user) in ENDPOINTS {
        let labels = labels::for_endpoint(namespace, user.iter().copied()).unwrap();
        world.insert(identity, labels);
    }
    for (identity, ports) in NAMED {
        world.set_named_ports(identity, ports.iter().copied().collect());
    }
    world.set_pod_classes(pod_classes(&policies));
    world.set_classes((0x0100_0000..).zip(policies.prefixes()).collect());
    let peers = peers(&world);
    let mut asked = Asked::default();
    let endpoints = ENDPOINTS.map(|(identity, ..)| identity);
    for identity in endpoints.into_iter().chain([1]) {
        let labels = world.identities()[&identity].clone();
        let own_ports = world.named_ports().get(&identity).cloned();
        let mut rules = RuleTable::new();
        let subject = Subject::of(&labels);
        let compiled = compile(&policies, subject, &mut world, &mut rules).unwrap();
        for direction in Direction::ALL {
            let entries = compiled
                .direction(direction)
                .map(|direction| &direction.entries);
            asked.worked_out += entries.map_or(0, |entries| {
                let ahead = |entry: &&CompiledEntry| entry.value.precedence >= WORKED_OUT;
                entries.iter().filter(ahead).count()
            });
            well_formed(entries.map(Vec::as_slice).unwrap_or_default())
                .map_err(|why| format!("{why}\n{text}"))?;
            for peer in &peers {
                for (protocol, port) in destinations() {
                    let query = Query {
                        subject,
                        direction,
                        peer: Peer {
                            labels: &peer.labels,
                            address: peer.address,
                        },
                        protocol,
                        port,
                        named_ports: match direction {
                            Direction::Ingress => own_ports.as_ref(),
                            Direction::Egress => peer.named_ports.as_ref(),
                        },
                        options,
                    };
                    let expected = evaluate(policies.policies(), &query);
                    asked.count(&expected);
                    compare(&policies, &compiled, &rules, peer, &query, &expected).map_err(
                        |why| format!("{why}\n{query:?}\nexpected {expected:?}\n{text}"),
                    )?;
                }
            }
        }
    }
    Ok(asked)
}

/// One for each prefix, or for each that an identity has addresses in, where somebody passes.
fn pod_classes(policies: &PolicySet) -> BTreeMap<u32, PodClass> {
    let prefixes = policies.pod_prefixes();
    let classes: BTreeSet<PodClass> = if policies.passes() {
        let addresses = ADDRESSES.map(|(owner, address)| (owner, address.parse().unwrap()));
        cidr::pod_classes_in_use(&prefixes, addresses)
    } else {
        let shared = |prefix| PodClass {
            prefix,
            owner: None,
        };
        prefixes.into_iter().map(shared).collect()
    };
    (0x0180_0000..).zip(classes).collect()
}

/// What the kernel's table asks of entries: keys that differ, values that repeat their key's
/// prefix length, no rule number that means nothing, no port bits behind the prefix.
fn well_formed(entries: &[CompiledEntry]) -> Result<(), String> {
    let keys: BTreeSet<_> = entries.iter().map(|entry| entry.key).collect();
    if keys.len() != entries.len() {
        return Err("two entries have the same key".into());
    }
    let wrong = entries.iter().find(|entry| {
        let port = u32::from(u16::from_be_bytes(entry.key.port));
        let free = PolicyKey::PREFIX_FULL - entry.key.prefix.max(PolicyKey::PREFIX_PROTOCOL);
        entry.key.prefix != u32::from(entry.value.prefix)
            || (entry.value.rule == RuleTable::NONE && entry.value.action == Action::Allow as u8)
            || port & ((1 << free) - 1) != 0
            || entry.key.prefix < PolicyKey::PREFIX_PEER
    });
    wrong.map_or(Ok(()), |entry| Err(format!("malformed: {entry:?}")))
}

fn peers(world: &World) -> Vec<Known> {
    let labels = |identity: u32| world.identities()[&identity].clone();
    let known = world.identities().keys().filter(|identity| **identity != 2);
    let address = |identity: u32| {
        let found = ADDRESSES.iter().find(|(known, _)| *known == identity);
        found.map(|(_, address)| address.parse::<IpAddr>().unwrap())
    };
    let inside = known.map(|&identity| Known {
        labels: labels(identity),
        address: address(identity),
        identity,
        class: address(identity).map_or(0, |address| {
            cidr::pod_class_of(world.pod_classes(), identity, address)
        }),
        named_ports: world.named_ports().get(&identity).cloned(),
    });
    let outside = WORLD_ADDRESSES.map(|address| {
        let address = address.parse().unwrap();
        Known {
            labels: labels(2),
            address: Some(address),
            identity: 2,
            class: cidr::class_of(world.classes(), address),
            named_ports: None,
        }
    });
    inside.chain(outside).collect()
}

fn destinations() -> impl Iterator<Item = (u8, u16)> {
    let with_ports = [protocol::TCP, protocol::UDP, protocol::SCTP]
        .into_iter()
        .flat_map(|protocol| PORTS.map(|port| (protocol, port)));
    let icmp = [protocol::ICMP, protocol::ICMPV6]
        .into_iter()
        .flat_map(|protocol| ICMP_TYPES.map(|kind| (protocol, kind.into())));
    with_ports
        .chain(icmp)
        .chain([(protocol::TCP, 50_000), (47, 0)])
}

fn compare(
    policies: &PolicySet,
    compiled: &Compiled,
    rules: &RuleTable,
    peer: &Known,
    query: &Query<'_>,
    expected: &Answer,
) -> Result<(), String> {
    let Some(direction) = compiled.direction(query.direction) else {
        return if *expected == Answer::Unenforced {
            Ok(())
        } else {
            Err("compiled to unenforced".into())
        };
    };
    let hit = direction.lookup(Target {
        identity: peer.identity,
        class: peer.class,
        protocol: query.protocol,
        port: query.port,
    });
    let names = |hit: &Hit, wanted: &[RuleRef]| {
        names_the_rules(
            policies,
            rules.get(hit.rule).unwrap_or_default(),
            wanted,
            hit.match_type,
        )
    };
    let agrees = match (expected, &hit) {
        (Answer::Allowed(wanted), Some(hit)) => hit.action == Action::Allow && names(hit, wanted),
        (Answer::Denied(wanted), Some(hit)) => hit.action == Action::Deny && names(hit, wanted),
        (Answer::AllowedByDefault, Some(hit)) => {
            hit.action == Action::Allow && hit.rule == RuleTable::DEFAULT_ALLOW
        }
        (Answer::DefaultDenied(policies), None) => direction.default_deny == *policies,
        (Answer::Unenforced, _) | (_, None) | (Answer::DefaultDenied(_), Some(_)) => false,
    };
    if agrees {
        Ok(())
    } else {
        Err(format!("entries say {hit:?}"))
    }
}

/// The side of a peer a rule matches it by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Any,
    Identity,
    Class,
}

/// An entry names only rules that match, and all that match the peer by the same side as the entry
/// does. Rules about anyone may stand among them, for peers with a port of the right name.
fn names_the_rules(
    policies: &PolicySet,
    named: &[RuleRef],
    wanted: &[RuleRef],
    match_type: MatchType,
) -> bool {
    let sides: &[Side] = match match_type {
        MatchType::L4Only | MatchType::All | MatchType::ProtoOnly => &[Side::Any],
        MatchType::L3Only | MatchType::L3L4 | MatchType::L3Proto => &[Side::Identity, Side::Class],
        MatchType::None => &[],
    };
    let complete = |side: Side| {
        let only_here = |rule: &&RuleRef| sides_of(policies, rule).iter().all(|own| *own == side);
        wanted
            .iter()
            .filter(only_here)
            .all(|rule| named.contains(rule))
            && named.iter().all(|rule| {
                let sides = sides_of(policies, rule);
                sides.contains(&side) || sides.contains(&Side::Any)
            })
    };
    // What was worked out for a peer as a whole names them all.
    let all = || wanted.iter().all(|rule| named.contains(rule));
    !named.is_empty()
        && named.iter().all(|rule| wanted.contains(rule))
        && (all() || sides.iter().any(|&side| complete(side)))
}

/// The sides a rule matches peers by; a NetworkPolicy's rule may match some by labels and others
/// by address.
fn sides_of(policies: &PolicySet, rule: &RuleRef) -> Vec<Side> {
    let peers = policies
        .policies()
        .flat_map(|policy| &policy.specs)
        .flat_map(|spec| &spec.rules)
        .find(|candidate| candidate.reference == *rule)
        .map(|rule| &rule.peers)
        .unwrap();
    let Peers::Of(selectors) = peers else {
        return vec![Side::Any];
    };
    let side = |selector: &PeerSelector| match selector {
        PeerSelector::Labels(selector) if selector.is_empty() => Side::Any,
        PeerSelector::Entity(Entity::All) => Side::Any,
        PeerSelector::Labels(_) | PeerSelector::Entity(_) => Side::Identity,
        PeerSelector::Cidr(_) | PeerSelector::IpBlock(_) => Side::Class,
        PeerSelector::CidrGroup(_) | PeerSelector::Services(_) => {
            unreachable!("resolved by the set")
        }
    };
    let sides: Vec<Side> = selectors.iter().map(side).collect();
    if sides.contains(&Side::Any) {
        vec![Side::Any]
    } else {
        sides
    }
}
