//! What time it is: by the clock of the programs, and by that of people.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of the programs.
pub fn monotonic() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// `CLOCK_BOOTTIME` in nanoseconds: it goes on while the host sleeps.
pub fn since_boot() -> u64 {
    nanoseconds(ClockId::Boottime)
}

/// Unix time in nanoseconds.
pub fn realtime() -> u64 {
    nanoseconds(ClockId::Realtime)
}

/// Unix time in nanoseconds, as flows and events carry it.
pub fn now() -> i64 {
    i64::try_from(realtime()).unwrap_or(i64::MAX)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX)
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}
