//! What the tests of the engine and the tests of the loaded programs share: packets, a world with
//! policies, tables in memory, and the cases both must pass.
//!
//! It is included by path from the crates that need it, so that neither the engine nor the daemon
//! carries anything of it.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each crate that includes this uses its own part"
)]

pub mod cases;
pub mod frame;
pub mod hook;
pub mod memory;
pub mod random;
pub mod world;
