//! The host's own devices: what is the host's, and what is left alone.

use flowd_abi::{
    Connection, Direction, DropReason, Endpoint, ForwardReason, Peer, PeerKey, Verdict,
    connection::Marks, endpoint::EndpointFlags,
};
use flowd_ebpf::{
    Meeting, Outcome,
    host::{self, Maker},
};

use crate::common::{
    frame::{ACK, Ip, SYN, address, ip},
    hook::{Engine, Hook as _},
    memory::Bytes,
    world::{DNS, Family, IFINDEX, UNNAMED, World},
};

/// A host that has the workload's place in the world: its addresses, its rules.
struct Host {
    world: World,
    engine: Engine,
}

impl Host {
    fn new() -> Self {
        let mut world = World::new(1);
        let endpoint = world.endpoint();
        endpoint.flags = EndpointFlags::HOST;
        for family in Family::BOTH {
            let key = PeerKey {
                prefix: 128,
                address: address(family.workload()),
            };
            let own = Peer {
                identity: Peer::HOST_IDENTITY,
                ..Peer::default()
            };
            world.peers.retain(|(known, _)| *known != key);
            world.peers.push((key, own));
        }
        Self {
            engine: Engine::new(&world),
            world,
        }
    }

    fn meets(&mut self, direction: Direction, maker: Maker, packet: &Ip) -> Option<Verdict> {
        self.engine.now += 1000;
        let meeting = Meeting {
            direction,
            ifindex: IFINDEX,
            now: self.engine.now,
        };
        let frame = packet.frame(true);
        let Engine {
            memory, scratch, ..
        } = &mut self.engine;
        let outcome = host::run(&Bytes(&frame), memory, scratch, meeting, maker);
        assert_eq!(
            memory.unbalanced(),
            [],
            "the ledger balances after every packet"
        );
        match outcome {
            Outcome::Unguarded => None,
            Outcome::Judged(verdict) => Some(verdict),
        }
    }

    fn receives(&mut self, packet: &Ip) -> Option<Verdict> {
        self.meets(Direction::Ingress, Maker::Other, packet)
    }

    fn sends(&mut self, packet: &Ip) -> Option<Verdict> {
        self.meets(Direction::Egress, Maker::Host, packet)
    }

    fn carries(&mut self, packet: &Ip) -> Option<Verdict> {
        self.meets(Direction::Egress, Maker::Other, packet)
    }

    fn change(&mut self, change: impl FnOnce(&mut Endpoint)) {
        self.world.change(change);
        self.engine.set(&self.world);
    }

    fn connections(&mut self) -> Vec<&mut Connection> {
        self.engine.memory.connections.values_mut().collect()
    }
}

const DENIED: Option<Verdict> = Some(Verdict::Drop(DropReason::DefaultDenied));
const REPLY: Option<Verdict> = Some(Verdict::Forward(ForwardReason::Reply));
const ALLOWED: Option<Verdict> = Some(Verdict::Forward(ForwardReason::Allowed));
const MASQUERADED: Option<Verdict> = Some(Verdict::Forward(ForwardReason::Masqueraded));
const LIFELINE: Option<Verdict> = Some(Verdict::Forward(ForwardReason::Neighbour));

#[test]
fn only_the_hosts_own_is_judged() {
    for family in Family::BOTH {
        let mut host = Host::new();
        let (own, far) = (family.workload(), family.stranger());
        assert_eq!(
            host.receives(&ip(far, own).tcp(UNNAMED, 40_000, SYN)),
            DENIED
        );
        assert_eq!(host.sends(&ip(own, far).tcp(40_000, UNNAMED, SYN)), DENIED);
        let (other, friend) = (family.outside(), family.friend());
        let through = ip(far, other).tcp(40_001, UNNAMED, SYN);
        assert_eq!(host.receives(&through), None, "to somebody else");
        assert_eq!(host.carries(&through), None, "from somebody else");
        assert_eq!(host.receives(&ip(far, other).raw(47, vec![0; 8])), None);
        // From its own or from any address: what the host makes is the host's.
        assert_eq!(
            host.sends(&ip(other, far).tcp(40_000, UNNAMED, SYN)),
            DENIED
        );
        let query = ip(own, friend).udp(5353, DNS);
        assert_eq!(host.sends(&query), ALLOWED);
        assert_eq!(host.receives(&ip(friend, own).udp(DNS, 5353)), REPLY);
    }
}

#[test]
fn what_leaves_under_the_hosts_address_passes_with_its_answers_and_opens_nothing_else() {
    for family in Family::BOTH {
        let mut host = Host::new();
        let (own, far) = (family.workload(), family.stranger());
        let out = ip(own, far).tcp(40_000, UNNAMED, SYN);
        let back = |flags| ip(far, own).tcp(UNNAMED, 40_000, flags);
        assert_eq!(host.receives(&back(SYN | ACK)), DENIED, "nobody has asked");
        assert_eq!(host.carries(&out), MASQUERADED);
        assert_eq!(host.receives(&back(SYN | ACK)), REPLY);
        host.change(|endpoint| endpoint.ingress_policy += 100);
        assert_eq!(
            host.receives(&back(ACK)),
            REPLY,
            "another policy judges it no more"
        );
        assert_eq!(
            host.receives(&back(SYN)),
            DENIED,
            "a new connection is no answer"
        );
    }
}

#[test]
fn a_kept_connection_outlives_every_policy() {
    let family = Family::V4;
    let mut host = Host::new();
    let query = ip(family.workload(), family.friend()).udp(5353, DNS);
    assert_eq!(host.sends(&query), ALLOWED);
    let (verdict, reason) = Verdict::Forward(ForwardReason::OperatorGuard).to_numbers();
    for kept in host.connections() {
        (kept.verdict, kept.reason) = (verdict, reason);
        kept.marks |= Marks::KEPT;
    }
    host.world.allow_nothing();
    host.engine.set(&host.world);
    let guarded = Some(Verdict::Forward(ForwardReason::OperatorGuard));
    assert_eq!(host.sends(&query), guarded);
    let generation = host.world.endpoint().generation;
    assert!(
        host.connections()
            .iter()
            .all(|kept| kept.generation == generation)
    );
}

#[test]
fn lifelines_and_errors_about_others_are_never_cut() {
    let mut host = Host::new();
    let own = Family::V4.workload();
    let server = Family::V4.stranger();
    assert_eq!(host.sends(&ip(own, server).udp(68, 67)), LIFELINE);
    assert_eq!(host.receives(&ip(server, own).udp(67, 68)), LIFELINE);
    assert_eq!(
        host.receives(&ip(server, own).udp(68, 67)),
        DENIED,
        "the other way round"
    );
    assert_eq!(host.sends(&ip(own, server).raw(2, vec![0; 8])), LIFELINE);
    let v6 = Family::V6;
    assert_eq!(
        host.sends(&ip(v6.workload(), v6.stranger()).udp(546, 547)),
        LIFELINE
    );
}

#[test]
fn a_broken_glass_judges_nothing() {
    let mut host = Host::new();
    host.change(|endpoint| endpoint.flags |= EndpointFlags::OFF);
    let family = Family::V4;
    let packet = ip(family.stranger(), family.workload()).tcp(UNNAMED, 40_000, SYN);
    assert_eq!(host.receives(&packet), None);
    assert_eq!(host.engine.told(), (vec![], vec![]));
}

#[test]
fn a_protocol_without_ports_is_judged_by_the_rules_without_ports() {
    let mut host = Host::new();
    let family = Family::V4;
    let packet = ip(family.workload(), family.stranger()).raw(47, vec![0; 8]);
    assert_eq!(host.sends(&packet), DENIED);
    let policy = host.world.endpoint().egress_policy;
    let mut key = flowd_abi::PolicyKey::full(policy, Direction::Egress, 0, 0, 0);
    key.prefix = flowd_abi::PolicyKey::PREFIX_PEER;
    let entry = flowd_abi::PolicyEntry {
        precedence: u32::MAX,
        rule: 77,
        action: flowd_abi::Action::Allow as u8,
        prefix: 72,
        ..flowd_abi::PolicyEntry::default()
    };
    host.world.policy.insert(key, entry);
    host.change(|_| ());
    assert_eq!(host.sends(&packet), ALLOWED);
}
