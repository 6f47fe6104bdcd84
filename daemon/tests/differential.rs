//! The engine on tables in memory and the loaded programs see the same packets, policies and
//! endpoints, and must agree on what passes, on every event and on every counter.
//!
//! `FLOWD_DIFFERENTIAL_STEPS` sets how many steps; `FLOWD_DIFFERENTIAL_SEED` another sequence.

#[path = "../../ebpf/tests/common/mod.rs"]
mod common;
mod packets;

use std::env;

use common::{
    hook::{Engine, Hook, moved},
    memory::{Memory, SECOND},
    random::pick,
    world::{FRIEND, STRANGER, World},
};
use flowd::kernel::Sizes;
use flowd_abi::{ConnectionKey, Direction, Event, endpoint::EndpointFlags};
use flowd_ebpf::{deny, sweep};
use packets::{PATIENCE, Programs, SIZES, TIMEOUTS};

const STEPS: u64 = 4000;
/// Sweeps until all is told, at most: far more flows than there are, even one event at a time.
const MAX_ROUNDS: u32 = 10_000;
const SEED: u64 = 0x0f10_3d00;

fn number(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Both sides and what they are told.
struct Pair {
    engine: Engine,
    programs: Programs,
    world: World,
    random: Random,
    /// What happened last, for the message of a failure.
    last: String,
    step: u64,
    passed: u64,
    told: u64,
}

impl Pair {
    fn new(sizes: &Sizes, ring_room: usize, seed: u64) -> Self {
        let mut world = World::new(1);
        let endpoint = *world.endpoint();
        for direction in Direction::ALL {
            // The twin policy of each direction: the same rules but for the one about the web.
            let policy = endpoint.policy(direction) + 2;
            world.rules(policy, direction);
            world.policy.retain(|key, entry| {
                key.policy != policy.to_be_bytes() || entry.rule != common::world::rule::FRIEND_WEB
            });
        }
        let mut engine = Engine::new(&world);
        engine.memory.ring_room = ring_room;
        let mut programs = Programs::load(sizes, &TIMEOUTS, PATIENCE);
        programs.set(&world);
        Self {
            engine,
            programs,
            world,
            random: Random(seed),
            last: String::new(),
            step: 0,
            passed: 0,
            told: 0,
        }
    }

    fn step(&mut self) {
        self.step += 1;
        match self.random.below(100) {
            0..4 => self.change_endpoint(),
            4..6 => self.change_peers(),
            _ => self.packet(),
        }
    }

    fn packet(&mut self) {
        let picked = pick(self.random.next().to_ne_bytes());
        let mut frame = picked.frame();
        // Sometimes a byte behind the hardware addresses is another.
        if self.random.below(8) == 0 {
            let place = 14 + self.random.below(frame.len() as u64 - 14) as usize;
            frame[place] = self.random.next() as u8;
        }
        self.last = format!("{picked:?} as {frame:02x?}");
        let before = (self.engine.counters(), self.programs.counters());
        let engine = self.engine.meet(picked.direction, &frame);
        let programs = self.programs.meet(picked.direction, &frame);
        assert_eq!(
            engine, programs,
            "step {}: passes; {}",
            self.step, self.last
        );
        self.passed += u64::from(engine);
        let engine = moved(&before.0, &self.engine.counters());
        let programs = moved(&before.1, &self.programs.counters());
        assert_eq!(
            engine, programs,
            "step {}: counters; {}",
            self.step, self.last
        );
    }

    fn change_endpoint(&mut self) {
        let choice = self.random.below(16);
        // Off is left at the next change, so that it stays rare.
        self.world.endpoint().flags &= !EndpointFlags::OFF;
        self.world.change(|endpoint| match choice {
            0..5 => endpoint.ingress_policy ^= 2,
            5..10 => endpoint.egress_policy ^= 2,
            10..12 => endpoint.flags ^= EndpointFlags::AUDIT,
            12..14 => endpoint.flags ^= EndpointFlags::CHECK_SOURCE,
            14 => endpoint.flags |= EndpointFlags::OFF,
            _ => endpoint.egress_policy = 0,
        });
        if self.world.endpoint().egress_policy < 4 {
            // Enforced again at one of the next changes.
            self.world.endpoint().egress_policy = if choice < 10 { 5 } else { 0 };
        }
        self.last = format!("{:?}", self.world.endpoint);
        self.write();
    }

    fn change_peers(&mut self) {
        for (_, peer) in &mut self.world.peers {
            peer.identity = match peer.identity {
                FRIEND => STRANGER,
                STRANGER => FRIEND,
                other => other,
            };
        }
        self.world.change(|_| ());
        self.write();
    }

    fn write(&mut self) {
        self.engine.set(&self.world);
        self.programs.set(&self.world);
    }

    /// Compares what both sides told since the last time.
    fn compare_told(&mut self) -> usize {
        let engine = self.engine.told();
        let programs = self.programs.told();
        let count = engine.0.len() + engine.1.len();
        for (ring, ours, theirs) in [
            ("events", engine.0, programs.0),
            ("drops", engine.1, programs.1),
        ] {
            assert_eq!(
                timeless(ours),
                timeless(theirs),
                "step {}: {ring}; {}",
                self.step,
                self.last
            );
        }
        self.told += count as u64;
        count
    }

    /// Sweeps both sides, round after round until nothing is left, and compares all that is told:
    /// the order in which flows are visited is nobody's promise.
    fn compare_sweeps(&mut self) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut quiet = false;
        for _ in 0..MAX_ROUNDS {
            sweep_memory(&mut self.engine.memory, self.engine.now);
            self.programs.sweep();
            let (engine, programs) = (self.engine.told(), self.programs.told());
            quiet = [&engine.0, &engine.1, &programs.0, &programs.1]
                .iter()
                .all(|told| told.is_empty());
            ours.extend(engine.0.into_iter().chain(engine.1));
            theirs.extend(programs.0.into_iter().chain(programs.1));
            if quiet {
                break;
            }
        }
        assert!(quiet, "step {}: the sweep comes to an end", self.step);
        let (ours, theirs) = (sorted(ours), sorted(theirs));
        let differs = ours.iter().zip(&theirs).find(|(one, other)| one != other);
        assert_eq!(differs, None, "step {}: the sweep", self.step);
        assert_eq!(ours.len(), theirs.len(), "step {}: the sweep", self.step);
        assert_eq!(
            self.engine.counters(),
            self.programs.counters(),
            "after the sweep"
        );
        self.told += ours.len() as u64;
    }
}

fn sweep_memory(memory: &mut Memory, now: u64) {
    let interval = u64::from(PATIENCE) * SECOND;
    let connections: Vec<ConnectionKey> = memory.connections.keys().copied().collect();
    for key in connections {
        sweep::sweep(memory, &key, now, interval);
    }
    let denied: Vec<ConnectionKey> = memory.denied.keys().copied().collect();
    for key in denied {
        deny::sweep(memory, &key, now, interval);
    }
}

/// Events without the clocks, which are two, and without the kernel's number of the socket that a
/// test run makes up: that there is one is compared.
fn timeless(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        (event.time, event.created) = (0, 0);
        event.socket = u64::from(event.socket != 0);
    }
    events
}

/// In an order that depends on nothing but the events.
fn sorted(events: Vec<Event>) -> Vec<String> {
    let mut lines: Vec<String> = timeless(events)
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
    lines.sort();
    lines
}

#[test]
fn engine_and_programs_agree() {
    let steps = number("FLOWD_DIFFERENTIAL_STEPS", STEPS);
    let seed = number("FLOWD_DIFFERENTIAL_SEED", SEED);
    let mut pair = Pair::new(&SIZES, 100_000, seed);
    for step in 0..steps {
        pair.step();
        pair.compare_told();
        if step % 500 == 499 {
            pair.compare_sweeps();
        }
    }
    println!("{steps} steps: {} passed, {} told", pair.passed, pair.told);
    assert!(
        pair.passed > steps / 10,
        "enough packets pass to tell anything"
    );
    assert!(pair.told > steps / 10, "enough is told to tell anything");
}

/// A ring of one page: an event and its header take 160 bytes, one byte less than the page is
/// ever used.
const TINY: Sizes = Sizes {
    ring_bytes: 4096,
    ..SIZES
};
const TINY_ROOM: usize = 4095 / 160;

#[test]
fn engine_and_programs_defer_alike() {
    let steps = number("FLOWD_DIFFERENTIAL_STEPS", STEPS) / 2;
    let seed = number("FLOWD_DIFFERENTIAL_SEED", SEED) + 1;
    let mut pair = Pair::new(&TINY, TINY_ROOM, seed);
    for step in 0..steps {
        pair.step();
        if step % 400 == 399 {
            pair.compare_told();
            pair.compare_sweeps();
        }
    }
    let deferred = pair.engine.memory.sum(|counter| counter.deferred);
    let recovered = pair.engine.memory.sum(|counter| counter.recovered);
    println!("{steps} steps: {deferred} deferred, {recovered} recovered");
    assert!(deferred > steps / 20, "the rings were full: {deferred}");
    assert!(recovered > 0, "the sweep told");
}
