//! A hook a packet can be sent through: the engine on tables in memory, or a loaded program.

use flowd_abi::{Counter, CounterIndex, Direction, Event};
use flowd_ebpf::{Meeting, Outcome, Scratch, run};

use super::{
    memory::{Bytes, Memory},
    world::{IFINDEX, World},
};

/// Both hooks of one workload.
pub trait Hook {
    /// Sets the tables to what the world holds; connections stay.
    fn set(&mut self, world: &World);

    /// Sends a packet through the hook of its direction; whether it passed.
    fn meet(&mut self, direction: Direction, frame: &[u8]) -> bool;

    /// Takes what the rings hold: the events, the drops.
    fn told(&mut self) -> (Vec<Event>, Vec<Event>);

    /// Every slot of the counters.
    fn counters(&mut self) -> Vec<Counter>;
}

/// The engine on tables in memory.
#[derive(Debug)]
pub struct Engine {
    pub memory: Memory,
    pub scratch: Scratch,
    pub now: u64,
}

impl Engine {
    pub fn new(world: &World) -> Self {
        let mut engine = Self {
            memory: Memory::default(),
            scratch: Scratch::default(),
            now: 1_000_000_000_000,
        };
        engine.set(world);
        engine
    }

    /// Sends a packet through; the ledger is checked after every one.
    pub fn run(&mut self, direction: Direction, frame: &[u8]) -> Outcome {
        self.now += 1000;
        let meeting = Meeting {
            direction,
            ifindex: IFINDEX,
            now: self.now,
        };
        let outcome = run(&Bytes(frame), &mut self.memory, &mut self.scratch, meeting);
        assert_eq!(
            self.memory.unbalanced(),
            [],
            "the ledger balances after every packet"
        );
        outcome
    }
}

impl Hook for Engine {
    fn set(&mut self, world: &World) {
        self.memory.endpoints = world
            .endpoint
            .iter()
            .map(|value| (IFINDEX, *value))
            .collect();
        self.memory.peers = world.peers.iter().copied().collect();
        self.memory.policy = world
            .policy
            .iter()
            .map(|(key, entry)| (*key, *entry))
            .collect();
    }

    fn meet(&mut self, direction: Direction, frame: &[u8]) -> bool {
        match self.run(direction, frame) {
            Outcome::Unguarded => true,
            Outcome::Judged(verdict) => !matches!(verdict, flowd_abi::Verdict::Drop(_)),
        }
    }

    fn told(&mut self) -> (Vec<Event>, Vec<Event>) {
        let memory = &mut self.memory;
        (
            std::mem::take(&mut memory.events),
            std::mem::take(&mut memory.drops),
        )
    }

    fn counters(&mut self) -> Vec<Counter> {
        self.memory.counters.clone()
    }
}

/// The rows of the counters that moved between two readings, with what they moved by.
pub fn moved(before: &[Counter], after: &[Counter]) -> Vec<(u32, Counter)> {
    (0..CounterIndex::LEN)
        .filter_map(|slot| {
            let (old, new) = (&before[slot as usize], &after[slot as usize]);
            (old != new).then(|| {
                let step = Counter {
                    packets: new.packets - old.packets,
                    bytes: new.bytes - old.bytes,
                    told: new.told - old.told,
                    coalesced: new.coalesced - old.coalesced,
                    deferred: new.deferred - old.deferred,
                    recovered: new.recovered - old.recovered,
                };
                (slot, step)
            })
        })
        .collect()
}
