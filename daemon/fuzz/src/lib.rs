//! Fuzz targets: every door through which bytes of strangers come into flowd.
//!
//! A target is a function of bytes that must not panic, whatever they are. The same functions run
//! over their corpus and seeded mutations of it in `tests/replay.rs`, on every machine and within
//! seconds, and under libFuzzer for as long as one likes (`make fuzz`). `docs/fuzzing.md` says what
//! each run found.

#[path = "../../../ebpf/tests/common/mod.rs"]
mod common;
pub mod mutate;
mod targets;
mod world;

/// One door.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target and of its corpus.
    pub name: &'static str,
    /// What must not panic.
    pub run: fn(&[u8]),
    /// Bytes that one input of [`MAX_INPUT`] may make it allocate, all in all: a bound on memory,
    /// and on the work that allocates.
    pub allocates: usize,
    /// Mutations of its corpus that every test run tries.
    pub mutations: usize,
}

/// Longest input that is tried, in bytes.
pub const MAX_INPUT: usize = 4_096;

/// Every target.
pub const TARGETS: [Target; 8] = [
    Target {
        name: "decode",
        run: targets::decode::run,
        allocates: 8 << 20,
        mutations: 300,
    },
    Target {
        name: "filter",
        run: targets::filter::run,
        allocates: 256 << 20,
        mutations: 1_500,
    },
    Target {
        name: "cel",
        run: targets::cel::run,
        allocates: 64 << 20,
        mutations: 1_500,
    },
    Target {
        name: "mask",
        run: targets::mask::run,
        allocates: 16 << 20,
        mutations: 1_500,
    },
    Target {
        name: "policy",
        run: targets::policy::run,
        allocates: 256 << 20,
        mutations: 120,
    },
    Target {
        name: "config",
        run: targets::config::run,
        allocates: 64 << 20,
        mutations: 1_000,
    },
    Target {
        name: "endpoint",
        run: targets::endpoint::run,
        allocates: 64 << 20,
        mutations: 1_500,
    },
    Target {
        name: "packet",
        run: targets::packet::run,
        allocates: 4 << 20,
        mutations: 1_000,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
