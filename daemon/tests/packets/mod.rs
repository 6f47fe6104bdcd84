//! The loaded programs as a hook: packets go through `BPF_PROG_TEST_RUN`, which says they are on
//! the loopback device.
#![allow(
    dead_code,
    reason = "each test binary that includes this uses its own part"
)]

use flowd::{
    flow::decode::decode,
    kernel::{
        Kernel, Sizes, Timeouts,
        counters::{CounterRow, Counters},
        rings::Rings,
        sweep::Sweep,
        tables::Tables,
    },
};
use flowd_abi::{Counter, CounterIndex, Direction, Endpoint, Event, PeerKey, PolicyKey};

use crate::common::{
    hook::Hook,
    world::{IFINDEX, World},
};

/// `TC_ACT_UNSPEC`: the packet is left to whoever is behind.
pub(crate) const UNSPEC: i32 = -1;
/// `TC_ACT_SHOT`: the packet is dropped.
pub(crate) const SHOT: i32 = 2;

/// Small tables: a test needs few entries, and the machine may be small.
pub(crate) const SIZES: Sizes = Sizes {
    endpoints: 16,
    peers: 16_384,
    policy: 65_536,
    connections: 65_536,
    denied: 65_536,
    fragments: 4096,
    ring_bytes: 4 * 1024 * 1024,
    sockets: 0,
    kernel_drops: 0,
};

/// Longer than any test: the programs use the real clock.
pub(crate) const PATIENCE: u32 = 1_000_000;

/// Time-outs no test reaches.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    tcp_new: PATIENCE,
    tcp_established: PATIENCE,
    tcp_closing: PATIENCE,
    other: PATIENCE,
    icmp: PATIENCE,
    denied: PATIENCE,
    fragment: PATIENCE,
};

/// Loads the object, pinned nowhere.
///
/// # Panics
///
/// When the kernel does not let us: these tests are of no use without it.
pub(crate) fn kernel(sizes: &Sizes, timeouts: &Timeouts) -> Kernel {
    match Kernel::load(sizes, timeouts, None) {
        Ok(kernel) => kernel,
        Err(error) => panic!(
            "these tests run the eBPF programs and need root (or CAP_BPF and CAP_NET_ADMIN) and a \
             kernel from 5.15: {error:?}"
        ),
    }
}

/// Both hooks, loaded.
pub(crate) struct Programs {
    pub(crate) kernel: Kernel,
    pub(crate) tables: Tables,
    rings: Rings,
    counters: Counters,
    sweep: Sweep,
    /// Peers and entries that are in the tables.
    peers: Vec<PeerKey>,
    policy: Vec<PolicyKey>,
}

impl Programs {
    /// Loads the programs; the tables are empty. `interval` is the sweep's, in seconds.
    pub(crate) fn load(sizes: &Sizes, timeouts: &Timeouts, interval: u32) -> Self {
        let mut kernel = kernel(sizes, timeouts);
        Self {
            tables: Tables::take(&mut kernel).expect("the object's tables"),
            rings: Rings::take(&mut kernel).expect("the object's rings"),
            counters: Counters::take(&mut kernel).expect("the object's counters"),
            sweep: Sweep::take(&mut kernel, *timeouts, interval).expect("the object's flows"),
            kernel,
            peers: Vec::new(),
            policy: Vec::new(),
        }
    }

    /// Changes only the endpoint.
    pub(crate) fn endpoint(&mut self, endpoint: Option<&Endpoint>) {
        match endpoint {
            Some(endpoint) => self.tables.put_endpoint(IFINDEX, endpoint),
            None => self.tables.remove_endpoint(IFINDEX),
        }
        .expect("the endpoint is written");
    }

    /// Walks the flows; each that has something to tell tells it.
    pub(crate) fn sweep(&mut self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let program = self.kernel.program("sweep_flows");
        self.sweep.run(program, now).expect("the flows are walked");
    }

    /// The program of a direction.
    pub(crate) fn name(direction: Direction) -> &'static str {
        match direction {
            Direction::Ingress => "to_workload",
            Direction::Egress => "from_workload",
        }
    }

    /// Runs the program of a direction; what it returned.
    pub(crate) fn run(&mut self, direction: Direction, frame: &[u8]) -> i32 {
        let run = self.kernel.test_run(Self::name(direction), frame, 1);
        run.expect("the kernel runs the program").0
    }

    /// Empties the rings.
    pub(crate) fn discard(&mut self) {
        self.rings.drain_events(usize::MAX, |_| ());
        self.rings.drain_drops(usize::MAX, |_| ());
    }
}

impl Hook for Programs {
    fn set(&mut self, world: &World) {
        for key in std::mem::take(&mut self.peers) {
            self.tables.remove_peer(&key).expect("the peer is removed");
        }
        for key in std::mem::take(&mut self.policy) {
            self.tables
                .remove_policy(&key)
                .expect("the entry is removed");
        }
        for (key, peer) in &world.peers {
            self.tables
                .put_peer(key, peer)
                .expect("the peer is written");
            self.peers.push(*key);
        }
        for (key, entry) in &world.policy {
            self.tables
                .put_policy(key, entry)
                .expect("the entry is written");
            self.policy.push(*key);
        }
        self.endpoint(world.endpoint.as_ref());
    }

    fn meet(&mut self, direction: Direction, frame: &[u8]) -> bool {
        match self.run(direction, frame) {
            UNSPEC => true,
            SHOT => false,
            other => panic!("a program returned {other}, which is neither pass nor drop"),
        }
    }

    fn told(&mut self) -> (Vec<Event>, Vec<Event>) {
        let decoded = |record: &[u8]| decode(record).expect("the record is an event").event;
        let (mut events, mut drops) = (Vec::new(), Vec::new());
        let rings = &mut self.rings;
        rings.drain_events(usize::MAX, |record| events.push(decoded(record)));
        rings.drain_drops(usize::MAX, |record| drops.push(decoded(record)));
        (events, drops)
    }

    fn counters(&mut self) -> Vec<Counter> {
        let mut slots = vec![Counter::default(); CounterIndex::LEN as usize];
        for CounterRow {
            verdict,
            direction,
            counter,
        } in self.counters.read().expect("the counters are read")
        {
            slots[CounterIndex::of(verdict, direction) as usize] = counter;
        }
        slots
    }
}
