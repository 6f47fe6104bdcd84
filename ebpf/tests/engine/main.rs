//! The engine on tables in memory: every rule its comments state.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod denied;
mod facts;
mod host;
mod kernel;
mod ledger;
mod looks;
mod properties;
mod rejudged;
mod states;
mod tables;
mod timeouts;

use common::{
    frame::Ip,
    hook::{Engine, Hook},
    memory::SECOND,
    world::World,
};
use flowd_abi::{Connection, ConnectionKey, Denied, Direction, Event, Verdict};
use flowd_ebpf::{Outcome, deny, sweep};

/// The number of the world most tests play in.
const ENDPOINT: u32 = 7;

/// An engine with its world, and short ways to use them.
struct Lab {
    world: World,
    engine: Engine,
}

impl Lab {
    fn new() -> Self {
        let world = World::new(ENDPOINT);
        Self {
            engine: Engine::new(&world),
            world,
        }
    }

    fn sends(&mut self, packet: &Ip) -> Verdict {
        self.meets(Direction::Egress, &packet.frame(true))
    }

    fn receives(&mut self, packet: &Ip) -> Verdict {
        self.meets(Direction::Ingress, &packet.frame(false))
    }

    fn meets(&mut self, direction: Direction, frame: &[u8]) -> Verdict {
        match self.engine.run(direction, frame) {
            Outcome::Judged(verdict) => verdict,
            Outcome::Unguarded => panic!("the workload is guarded"),
        }
    }

    /// Changes the world and writes it to the tables.
    fn change(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        self.engine.set(&self.world);
    }

    fn wait(&mut self, seconds: u64) {
        self.engine.now += seconds * SECOND;
    }

    /// Everything told since the last call, drops behind the rest.
    fn told(&mut self) -> Vec<Event> {
        let (mut events, drops) = self.engine.told();
        events.extend(drops);
        events
    }

    /// The one connection there is.
    fn connection(&self) -> (ConnectionKey, Connection) {
        let mut all = self.engine.memory.connections.iter();
        let (key, connection) = all.next().expect("there is a connection");
        assert!(all.next().is_none(), "there is one connection only");
        (*key, *connection)
    }

    /// The one denied flow there is.
    fn denied(&self) -> (ConnectionKey, Denied) {
        let mut all = self.engine.memory.denied.iter();
        let (key, denied) = all.next().expect("there is a denied flow");
        assert!(all.next().is_none(), "there is one denied flow only");
        (*key, *denied)
    }

    /// Visits every connection and every denied flow.
    fn sweep(&mut self, interval_seconds: u64) {
        let (now, interval) = (self.engine.now, interval_seconds * SECOND);
        let memory = &mut self.engine.memory;
        let connections: Vec<ConnectionKey> = memory.connections.keys().copied().collect();
        for key in connections {
            sweep::sweep(memory, &key, now, interval);
        }
        let denied: Vec<ConnectionKey> = memory.denied.keys().copied().collect();
        for key in denied {
            deny::sweep(memory, &key, now, interval);
        }
    }
}

/// A time between updates that no test reaches.
const NEVER: u64 = 1_000_000;
