//! What the end-to-end tests share: a scene of pods with a flowd of its own, and eyes on what it
//! says.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses its own part"
)]

mod api;
mod authority;
mod counts;
pub(crate) mod edge;
mod events;
mod flood;
mod flowctl;
mod load;
mod processes;
mod scene;
mod wanted;

pub(crate) use api::Api;
pub(crate) use authority::Authority;
pub(crate) use counts::{distinct_ports, told_packets};
pub(crate) use flood::{Pacer, flood};
pub(crate) use flowctl::{build_flowctl, text};
pub(crate) use load::{ALWAYS, Load, NEVER};
pub(crate) use processes::{Group, Running, counter, listening, octets, told, watched};
pub(crate) use scene::{Scene, policy, put, run_inside};
pub(crate) use wanted::{Wanted, flow_of, line};

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long something that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a client waits for an answer that must not come.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);
/// Between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// Asks `look` until it answers; a test that waits in vain fails with what was awaited.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(instead) if Instant::now() >= deadline => {
                panic!("{what}: not within {PATIENCE:?}; instead: {instead}")
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}

/// `seen` when it is as it should be, else what it is.
pub(crate) fn when<T: std::fmt::Debug>(good: bool, seen: T) -> Result<T, String> {
    if good {
        Ok(seen)
    } else {
        Err(format!("{seen:?}"))
    }
}
