//! The cases that the engine and the loaded programs must both pass: packets in order, and for each
//! what becomes of it, which counter moves and what is told.

mod fragments;
mod icmp;
mod modes;
mod odd;
mod transport;

use flowd_abi::{
    Counter, CounterIndex, Direction, DropReason, Event, EventKind, ForwardReason, Verdict,
    event::EventFlags,
};

use super::{
    frame::{Ip, address},
    hook::{Hook, moved},
    world::{Family, IFINDEX, World},
};

pub const ALLOWED: Verdict = Verdict::Forward(ForwardReason::Allowed);
pub const REPLY: Verdict = Verdict::Forward(ForwardReason::Reply);
pub const RELATED: Verdict = Verdict::Forward(ForwardReason::Related);
pub const UNENFORCED: Verdict = Verdict::Forward(ForwardReason::Unenforced);
pub const NEIGHBOUR: Verdict = Verdict::Forward(ForwardReason::Neighbour);
pub const DEFAULT_DENIED: Verdict = Verdict::Drop(DropReason::DefaultDenied);
pub const RULE_DENIED: Verdict = Verdict::Drop(DropReason::RuleDenied);

/// Numbers of Hubble's `policy_match_type`.
pub mod matched {
    pub const NONE: u8 = 0;
    pub const L3_L4: u8 = 2;
    pub const L4_ONLY: u8 = 3;
    pub const L3_PROTOCOL: u8 = 5;
}

/// The event a packet must cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tells {
    pub kind: EventKind,
    pub verdict: Verdict,
    pub local_port: u16,
    pub remote_port: u16,
    pub rule: u32,
    pub match_type: u8,
    pub flags: u8,
    /// Whether the local address is the workload's own.
    pub own: bool,
}

impl Tells {
    pub fn new(kind: EventKind, verdict: Verdict, ports: (u16, u16)) -> Self {
        Self {
            kind,
            verdict,
            local_port: ports.0,
            remote_port: ports.1,
            rule: 0,
            match_type: matched::NONE,
            flags: 0,
            own: true,
        }
    }

    /// An opening the rule allows.
    pub fn opening(ports: (u16, u16), rule: u32, match_type: u8) -> Self {
        Self::new(EventKind::Open, ALLOWED, ports).by(rule, match_type)
    }

    /// A drop that no rule decided.
    pub fn drop(reason: DropReason, ports: (u16, u16)) -> Self {
        Self::new(EventKind::Drop, Verdict::Drop(reason), ports)
    }

    pub fn by(mut self, rule: u32, match_type: u8) -> Self {
        self.rule = rule;
        self.match_type = match_type;
        self
    }

    /// The packet came from an address that is not the workload's own.
    pub fn spoofed(mut self) -> Self {
        self.own = false;
        self
    }

    pub fn flagged(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }
}

/// A packet and what must become of it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub direction: Direction,
    pub frame: Vec<u8>,
    /// `None`: nobody judges it.
    pub verdict: Option<Verdict>,
    pub tells: Option<Tells>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    Packet(Sent),
    /// The tables become these.
    World(World),
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub family: Family,
    /// As it is now, while steps are added.
    pub world: World,
    pub steps: Vec<Step>,
}

impl Case {
    pub fn sends(&mut self, packet: &Ip, verdict: Verdict, tells: Option<Tells>) {
        self.packet(Direction::Egress, packet.frame(true), Some(verdict), tells);
    }

    pub fn receives(&mut self, packet: &Ip, verdict: Verdict, tells: Option<Tells>) {
        self.packet(
            Direction::Ingress,
            packet.frame(false),
            Some(verdict),
            tells,
        );
    }

    pub fn packet(
        &mut self,
        direction: Direction,
        frame: Vec<u8>,
        verdict: Option<Verdict>,
        tells: Option<Tells>,
    ) {
        self.steps.push(Step::Packet(Sent {
            direction,
            frame,
            verdict,
            tells,
        }));
    }

    pub fn changes(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        self.steps.push(Step::World(self.world.clone()));
    }
}

/// Where cases are collected; each gets a world of its own number.
#[derive(Debug, Default)]
pub struct Cases {
    pub all: Vec<Case>,
}

impl Cases {
    /// Adds a case and hands it out to be told.
    pub fn add(&mut self, family: Family, name: &str) -> &mut Case {
        let number = 100 + self.all.len() as u32;
        let world = World::new(number);
        self.all.push(Case {
            name: format!("{name} ({family:?})"),
            family,
            steps: vec![Step::World(world.clone())],
            world,
        });
        self.all.last_mut().expect("one was just added")
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    for family in Family::BOTH {
        transport::add(&mut cases, family);
        icmp::add(&mut cases, family);
        fragments::add(&mut cases, family);
        modes::add(&mut cases, family);
        odd::add(&mut cases, family);
    }
    odd::add_v4(&mut cases);
    odd::add_v6(&mut cases);
    cases.all
}

/// Plays a case through a hook.
///
/// # Panics
///
/// When anything differs from what the case says.
pub fn play(case: &Case, hook: &mut impl Hook) {
    hook.told();
    for (number, step) in case.steps.iter().enumerate() {
        match step {
            Step::World(world) => hook.set(world),
            Step::Packet(sent) => {
                let place = format!("{}, step {number}", case.name);
                check(case, &place, sent, hook);
            }
        }
    }
}

fn check(case: &Case, place: &str, sent: &Sent, hook: &mut impl Hook) {
    let before = hook.counters();
    let passed = hook.meet(sent.direction, &sent.frame);
    let rows = moved(&before, &hook.counters());
    let (events, drops) = hook.told();
    assert_eq!(
        passed,
        !matches!(sent.verdict, Some(Verdict::Drop(_))),
        "{place}: passes"
    );
    let expected: Vec<_> = sent
        .verdict
        .into_iter()
        .map(|verdict| row(verdict, sent))
        .collect();
    assert_eq!(rows, expected, "{place}: counters");
    match sent.tells {
        None => assert_eq!((events, drops), (vec![], vec![]), "{place}: tells nothing"),
        Some(tells) => {
            let dropped = matches!(tells.kind, EventKind::Drop | EventKind::Drops);
            let (of, none) = if dropped {
                (drops, events)
            } else {
                (events, drops)
            };
            assert_eq!(none, [], "{place}: tells nothing in the other ring");
            let [event] = of[..] else {
                panic!("{place}: must tell one event, told {of:?}");
            };
            check_event(case, place, sent, &tells, &event);
        }
    }
}

fn row(verdict: Verdict, sent: &Sent) -> (u32, Counter) {
    let counter = Counter {
        packets: 1,
        bytes: sent.frame.len() as u64,
        told: u64::from(sent.tells.is_some()),
        coalesced: u64::from(sent.tells.is_none()),
        ..Counter::default()
    };
    (CounterIndex::of(verdict, sent.direction), counter)
}

fn check_event(case: &Case, place: &str, sent: &Sent, tells: &Tells, event: &Event) {
    let told = Tells {
        kind: EventKind::from_number(event.kind).expect("a kind"),
        verdict: event.verdict().expect("a verdict"),
        local_port: event.local_port,
        remote_port: event.remote_port,
        rule: event.rule,
        match_type: event.match_type,
        flags: event.flags,
        own: event.flags & EventFlags::NO_ADDRESSES != 0
            || event.local == address(case.family.workload()),
    };
    assert_eq!(told, *tells, "{place}: event");
    let endpoint = case
        .world
        .endpoint
        .expect("only a workload's packets are told");
    assert_eq!(event.endpoint, endpoint.id, "{place}: endpoint");
    assert_eq!(
        event.direction(),
        Some(sent.direction),
        "{place}: direction"
    );
    assert_eq!(event.length as usize, sent.frame.len(), "{place}: length");
    assert_eq!(event.ifindex, IFINDEX, "{place}: device");
    // Unreadable tags leave the whole link header untold.
    if event.ethertype != 0 {
        let macs = [event.destination_mac, event.source_mac].concat();
        assert_eq!(macs, sent.frame[..12], "{place}: hardware addresses");
    }
    assert_eq!(event.kernel_reason, 0, "{place}: no drop of the kernel");
    if event.flags & EventFlags::NO_ADDRESSES == 0 {
        assert_ne!(
            event.remote,
            address(case.family.workload()),
            "{place}: remote address"
        );
    }
}
