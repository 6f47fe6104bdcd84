//! Random policies, resolved and written into the tables as the daemon does it, judge packets in the
//! loaded programs; the reference evaluator must say the same of every one.
//!
//! `FLOWD_LIVE_POLICIES=2000 cargo test -p flowd --test live_agreement` runs longer;
//! `FLOWD_LIVE_SEED=7` takes another path.

#[path = "../../ebpf/tests/common/mod.rs"]
mod common;
#[path = "../policy/tests/agreement/generate.rs"]
mod generate;
#[path = "../policy/tests/agreement/generate_cluster.rs"]
mod generate_cluster;
mod packets;

use std::{cell::RefCell, env, net::IpAddr, sync::Arc};

use common::{
    frame::{SYN, ip},
    hook::Hook as _,
    world::IFINDEX,
};
use flowd::{
    endpoints,
    resolve::{Guarded, Inputs, Numbers, Plan, Resolver},
};
use flowd_abi::{Direction, protocol};
use flowd_policy::{Labels, Options, Peer, PolicySet, Query, Subject, evaluate, parse};
use packets::{PATIENCE, Programs, SIZES, TIMEOUTS};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// How many sets of policies are tried.
const POLICIES: u32 = 24;
/// At least this many packets must have been judged, or the test tested nothing.
const PACKETS: usize = 2_000;

/// Workloads: namespace, name, labels, addresses, named ports.
const WORKLOADS: [(&str, &str, &str, [&str; 2], &str); 5] = [
    (
        "shop",
        "web",
        "{app: web}",
        ["10.1.2.3", "2001:db8::3"],
        "[{name: web, port: 80}, {name: dns, port: 443, protocol: UDP}]",
    ),
    (
        "shop",
        "api",
        "{app: api, tier: back}",
        ["10.200.0.1", "fd00::1"],
        "[{name: web, port: 80}]",
    ),
    (
        "shop",
        "db",
        "{app: db, tier: back}",
        ["10.1.9.2", "2001:db8:1::7"],
        "[]",
    ),
    (
        "bank",
        "web",
        "{app: web}",
        ["192.0.2.77", "2001:db8::9"],
        "[]",
    ),
    (
        "bank",
        "plain",
        "{}",
        ["10.77.0.5", "fd00::5"],
        "[{name: web, port: 81}]",
    ),
];
const HOST: [&str; 2] = ["10.1.2.200", "2001:db8:1::200"];
const WORLD: [&str; 6] = [
    "10.1.2.4",
    "10.9.9.9",
    "198.51.100.1",
    "2001:db8:1::1",
    "2001:db8:2::1",
    "2606::1",
];
const PORTS: [u16; 6] = [1, 79, 80, 443, 32_768, 65_535];

/// Both sides, and what came of asking them.
struct Pair {
    programs: Programs,
    workloads: Vec<Guarded>,
    /// Makes every packet the first one of its connection.
    number: u16,
    sets: u32,
    passed: usize,
    dropped: usize,
}

/// One end of a packet.
struct End {
    labels: Labels,
    address: IpAddr,
    ports: Option<flowd_policy::NamedPorts>,
}

impl Pair {
    fn new() -> Self {
        let workloads = (3..)
            .zip(WORKLOADS)
            .map(|(ifindex, workload)| guarded(ifindex, workload));
        Self {
            programs: Programs::load(&SIZES, &TIMEOUTS, PATIENCE),
            workloads: workloads.collect(),
            number: 0,
            sets: 0,
            passed: 0,
            dropped: 0,
        }
    }

    fn ends(&self) -> Vec<End> {
        let workloads = self.workloads.iter().flat_map(|guarded| {
            guarded.addresses.iter().map(|address| End {
                labels: guarded.spec.labels.clone(),
                address: *address,
                ports: Some(guarded.spec.ports.clone()),
            })
        });
        let reserved = |name: &str, address: &str| End {
            labels: Labels::reserved(&[name]),
            address: address.parse().expect("an address"),
            ports: None,
        };
        let host = HOST.map(|address| reserved("host", address));
        let world = WORLD.map(|address| reserved("world", address));
        workloads.chain(host).chain(world).collect()
    }

    /// One set of policies, asked about every packet of the small world.
    fn agree(&mut self, text: &str) -> Result<(), String> {
        let policies: PolicySet = parse("random.yaml", text)
            .map_err(|errors| format!("{errors:?}\n{text}"))?
            .into_iter()
            .collect();
        let policies = policies.with_options(Options {
            allow_localhost: text.starts_with(generate::LOCALHOST),
        });
        let inputs = Inputs {
            endpoints: self.workloads.clone(),
            policies: policies.clone(),
            host: HOST
                .map(|address| address.parse().expect("an address"))
                .into(),
        };
        // Generations of their own, so that no verdict of another set is in force.
        self.sets += 10;
        let mut resolver = Resolver::new(Numbers::fresh(self.sets));
        resolver
            .resolve(&inputs)
            .map_err(|error| error.to_string())?;
        let plan = Arc::clone(resolver.plan());
        self.write(&plan);
        let result = self.judge(&plan, &policies);
        self.erase(&plan);
        result.map_err(|why| format!("{why}\n{text}"))
    }

    fn write(&mut self, plan: &Plan) {
        let tables = &mut self.programs.tables;
        for (id, policy) in &plan.policies {
            for entry in &policy.compiled.entries {
                let entry = entry.with_policy(*id);
                let put = tables.put_policy(&entry.key, &entry.value);
                put.expect("the entry is written");
            }
        }
        for (key, peer) in plan.peers.iter() {
            let put = tables.put_peer(&Plan::peer_key(key), peer);
            put.expect("the peer is written");
        }
    }

    fn erase(&mut self, plan: &Plan) {
        let tables = &mut self.programs.tables;
        for (id, policy) in &plan.policies {
            for entry in &policy.compiled.entries {
                let gone = tables.remove_policy(&entry.with_policy(*id).key);
                gone.expect("the entry is removed");
            }
        }
        for key in plan.peers.keys() {
            let gone = tables.remove_peer(&Plan::peer_key(key));
            gone.expect("the peer is removed");
        }
    }

    fn judge(&mut self, plan: &Plan, policies: &PolicySet) -> Result<(), String> {
        let ends = self.ends();
        for guarded in self.workloads.clone() {
            // The test run says that packets are on the loopback device.
            let value = plan.endpoints[&guarded.ifindex].value;
            self.programs.endpoint(Some(&value));
            for own in guarded.addresses.iter() {
                let others = ends
                    .iter()
                    .filter(|end| end.address.is_ipv4() == own.is_ipv4() && end.address != *own);
                for other in others {
                    for direction in Direction::ALL {
                        self.ask(policies, &guarded, *own, other, direction)?;
                    }
                }
            }
        }
        self.programs.discard();
        Ok(())
    }

    fn ask(
        &mut self,
        policies: &PolicySet,
        guarded: &Guarded,
        own: IpAddr,
        other: &End,
        direction: Direction,
    ) -> Result<(), String> {
        for (number, port) in destinations(own) {
            let query = Query {
                subject: Subject::of(&guarded.spec.labels),
                direction,
                peer: Peer {
                    labels: &other.labels,
                    address: Some(other.address),
                },
                protocol: number,
                port,
                named_ports: match direction {
                    Direction::Ingress => Some(&guarded.spec.ports),
                    Direction::Egress => other.ports.as_ref(),
                },
                options: policies.options(),
            };
            let expected = evaluate(policies.policies(), &query);
            let frame = self.frame(own, other.address, direction, (number, port));
            let passes = self.programs.meet(direction, &frame);
            *if passes {
                &mut self.passed
            } else {
                &mut self.dropped
            } += 1;
            if passes != expected.is_allowed() {
                return Err(format!(
                    "the packet passes: {passes}\n{query:?}\nexpected {expected:?}"
                ));
            }
        }
        Ok(())
    }

    /// A packet that opens a connection nobody opened before.
    fn frame(
        &mut self,
        own: IpAddr,
        other: IpAddr,
        direction: Direction,
        (number, port): (u8, u16),
    ) -> Vec<u8> {
        self.number = self.number.wrapping_add(1).max(1);
        let from = self.number;
        let packet = match direction {
            Direction::Egress => ip(own, other),
            Direction::Ingress => ip(other, own),
        };
        let packet = match number {
            protocol::TCP => packet.tcp(from, port, SYN),
            protocol::UDP => packet.udp(from, port),
            protocol::SCTP => packet.sctp(from, port),
            _ => packet.ping(from),
        };
        packet.frame(direction == Direction::Egress)
    }
}

fn destinations(own: IpAddr) -> impl Iterator<Item = (u8, u16)> {
    let echo = if own.is_ipv4() {
        (protocol::ICMP, 8)
    } else {
        (protocol::ICMPV6, 128)
    };
    [protocol::TCP, protocol::UDP, protocol::SCTP]
        .into_iter()
        .flat_map(|number| PORTS.map(|port| (number, port)))
        .chain([echo])
}

fn guarded(
    ifindex: u32,
    (namespace, name, labels, addresses, ports): (&str, &str, &str, [&str; 2], &str),
) -> Guarded {
    let text = format!(
        "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: {name}, namespace: {namespace}, \
         labels: {labels}}}\nspec:\n  addresses: {addresses:?}\n  attach: {{interface: v{ifindex}}}\n  \
         ports: {ports}\n"
    );
    let spec = endpoints::parse("e.yaml", &text).expect("valid").remove(0);
    Guarded {
        spec: Arc::new(spec),
        device: format!("v{ifindex}").into(),
        ifindex,
        addresses: addresses
            .map(|address| address.parse().expect("an address"))
            .into(),
        namespace: None,
    }
}

fn number(name: &str, default: u32) -> u32 {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

#[test]
fn packets_get_what_the_semantics_say() {
    let config = Config {
        cases: number("FLOWD_LIVE_POLICIES", POLICIES),
        failure_persistence: None,
        ..Config::default()
    };
    let seed = number("FLOWD_LIVE_SEED", 3).to_le_bytes().repeat(8);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    assert_eq!(IFINDEX, 1, "the loopback device");
    let pair = RefCell::new(Pair::new());
    let result = TestRunner::new_with_rng(config, rng).run(&generate::file(), |text| {
        pair.borrow_mut().agree(&text).map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let pair = pair.into_inner();
    println!("{} packets passed, {} dropped", pair.passed, pair.dropped);
    assert!(pair.passed + pair.dropped >= PACKETS);
    assert!(pair.passed > PACKETS / 10 && pair.dropped > PACKETS / 10);
}
