//! The control loop: finds the workloads, resolves, writes the tables, and says how it went.

mod applier;
mod board;
mod changes;
mod control;
mod discover;
mod hold;
mod host;
mod ledger;
mod names;
mod namespaces;
mod nudge;
mod processes;
mod publish;
mod pulse;
mod readback;
mod reader;
mod restore;
mod seeding;

pub use applier::{Applier, ApplyError};
pub use board::Board;
pub use control::{Control, Parts};
pub use discover::{Failure, Found, find};
pub use hold::Unapplied;
pub use host::HostSide;
pub use ledger::Ledger;
pub use nudge::Nudge;
pub use processes::watch as watch_processes;
pub use pulse::Pulse;
pub use readback::Drift;
pub use reader::Reader;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of the programs.
pub fn monotonic() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// Unix time in nanoseconds.
pub fn realtime() -> u64 {
    nanoseconds(ClockId::Realtime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX)
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}
