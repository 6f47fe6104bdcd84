//! A workload, its peers and its policies, as plain data that either kind of table can be set to.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use flowd_abi::{
    Action, Direction, Endpoint, Peer, PeerKey, PolicyEntry, PolicyKey, endpoint::EndpointFlags,
    protocol,
};

use super::frame::address;

/// The device of every test: the loopback, which `BPF_PROG_TEST_RUN` says a packet is on.
pub const IFINDEX: u32 = 1;

/// Identities.
pub const FRIEND: u32 = 1001;
pub const STRANGER: u32 = 1002;
/// The CIDR class of the test network 2.
pub const CLASS: u32 = Peer::CLASS_SCOPE + 1;

/// Rule numbers; each entry of the policy has its own.
pub mod rule {
    pub const FRIEND_WEB: u32 = 1;
    pub const FRIEND_DNS: u32 = 2;
    pub const FRIEND_SCTP: u32 = 3;
    pub const FRIEND_PING: u32 = 4;
    pub const FRIEND_DENIED: u32 = 5;
    pub const FRIEND_RANGE: u32 = 6;
    pub const CLASS_TLS: u32 = 7;
    pub const ANY_NTP: u32 = 8;
    pub const ANY_DENIED: u32 = 9;
}

pub const WEB: u16 = 80;
pub const DNS: u16 = 53;
pub const SCTP: u16 = 9;
pub const DENIED: u16 = 6666;
/// First of the sixteen ports of a range.
pub const RANGE: u16 = 8000;
pub const TLS: u16 = 443;
pub const NTP: u16 = 123;
/// A port that a rule denies to anyone, whatever a lower rule allows.
pub const NEVER: u16 = 23;
/// A port no rule names.
pub const UNNAMED: u16 = 9999;

/// Which IP a case speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn host(self, number: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 0, 0, number).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into(),
        }
    }

    pub fn workload(self) -> IpAddr {
        self.host(2)
    }

    pub fn friend(self) -> IpAddr {
        self.host(3)
    }

    pub fn stranger(self) -> IpAddr {
        self.host(4)
    }

    /// An address of the CIDR class.
    pub fn classed(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(198, 51, 100, 9).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9).into(),
        }
    }

    /// An address without any entry.
    pub fn outside(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(203, 0, 113, 9).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9).into(),
        }
    }

    pub fn ping_type(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    pub fn icmp_protocol(self) -> u8 {
        match self {
            Self::V4 => protocol::ICMP,
            Self::V6 => protocol::ICMPV6,
        }
    }
}

/// What the tables hold.
#[derive(Clone, Debug)]
pub struct World {
    /// `None`: no workload is behind the device.
    pub endpoint: Option<Endpoint>,
    pub peers: Vec<(PeerKey, Peer)>,
    pub policy: BTreeMap<PolicyKey, PolicyEntry>,
}

impl World {
    /// An enforced workload; worlds of different numbers share no key in any table.
    pub fn new(number: u32) -> Self {
        let endpoint = Endpoint {
            id: number,
            identity: 1000,
            ingress_policy: number * 4,
            egress_policy: number * 4 + 1,
            generation: 1,
            flags: EndpointFlags::CHECK_SOURCE,
        };
        let mut world = Self {
            endpoint: Some(endpoint),
            peers: peers(number),
            policy: BTreeMap::new(),
        };
        for direction in Direction::ALL {
            world.rules(endpoint.policy(direction), direction);
        }
        world
    }

    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint.as_mut().expect("the world has a workload")
    }

    /// Changes the endpoint as the daemon does: with a new generation.
    pub fn change(&mut self, change: impl FnOnce(&mut Endpoint)) {
        let endpoint = self.endpoint();
        endpoint.generation += 1;
        change(endpoint);
    }

    /// Moves both directions to policies without a single rule.
    pub fn allow_nothing(&mut self) {
        self.change(|endpoint| {
            endpoint.ingress_policy += 2;
            endpoint.egress_policy += 2;
        });
    }

    /// The rules of every case, under one policy id.
    pub fn rules(&mut self, policy: u32, direction: Direction) {
        let ping = [
            (protocol::ICMP, u16::from(Family::V4.ping_type())),
            (protocol::ICMPV6, u16::from(Family::V6.ping_type())),
        ];
        let exact = PolicyKey::PREFIX_FULL;
        let mut add = |rule, peer, (protocol, port), prefix, precedence, action: Action| {
            let mut key = PolicyKey::full(policy, direction, peer, protocol, port);
            key.prefix = prefix;
            let entry = PolicyEntry {
                precedence,
                rule,
                action: action as u8,
                prefix: prefix as u8,
                pad: [0; 2],
            };
            self.policy.insert(key, entry);
        };
        let (allow, deny) = (Action::Allow, Action::Deny);
        let tcp = |port| (protocol::TCP, port);
        add(rule::FRIEND_WEB, FRIEND, tcp(WEB), exact, 10, allow);
        add(
            rule::FRIEND_DNS,
            FRIEND,
            (protocol::UDP, DNS),
            exact,
            10,
            allow,
        );
        add(
            rule::FRIEND_SCTP,
            FRIEND,
            (protocol::SCTP, 0),
            PolicyKey::PREFIX_PROTOCOL,
            8,
            allow,
        );
        add(rule::FRIEND_PING, FRIEND, ping[0], exact, 10, allow);
        add(rule::FRIEND_PING, FRIEND, ping[1], exact, 10, allow);
        add(rule::FRIEND_DENIED, FRIEND, tcp(DENIED), exact, 20, deny);
        add(rule::FRIEND_RANGE, FRIEND, tcp(RANGE), exact - 4, 9, allow);
        add(rule::FRIEND_RANGE, FRIEND, tcp(NEVER), exact, 10, allow);
        add(rule::CLASS_TLS, CLASS, tcp(TLS), exact, 10, allow);
        add(
            rule::ANY_NTP,
            PolicyKey::ANY_PEER,
            (protocol::UDP, NTP),
            exact,
            10,
            allow,
        );
        add(
            rule::ANY_DENIED,
            PolicyKey::ANY_PEER,
            tcp(NEVER),
            exact,
            20,
            deny,
        );
    }
}

fn peers(endpoint: u32) -> Vec<(PeerKey, Peer)> {
    let known = |ip, prefix, identity, class, endpoint| {
        let key = PeerKey {
            prefix,
            address: address(ip),
        };
        let peer = Peer {
            identity,
            class,
            endpoint,
        };
        (key, peer)
    };
    let mut peers = Vec::new();
    for family in Family::BOTH {
        let class_prefix = match family {
            Family::V4 => 96 + 24,
            Family::V6 => 48,
        };
        peers.extend([
            known(family.workload(), 128, 1000, 0, endpoint),
            known(family.friend(), 128, FRIEND, 0, 0),
            known(family.stranger(), 128, STRANGER, 0, 0),
            known(
                family.classed(),
                class_prefix,
                Peer::WORLD_IDENTITY,
                CLASS,
                0,
            ),
        ]);
    }
    peers
}
