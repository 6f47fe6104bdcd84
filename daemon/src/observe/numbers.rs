//! A connection's own numbers and its process, as messages.

use flowd_abi::connection::State;
use flowd_abi::{Direction, EventKind};
use flowd_proto::flowd::v1::{self as ours, ConnectionSide};
use flowd_proto::{Duration, Timestamp};

use super::flow::timestamp;
use crate::enrich::{Attribution, Owner};
use crate::flow::Record;
use crate::flow::record::Judged;

/// RST of TCP's flags.
const RESET: u8 = 1 << 2;

/// From the first packet to the event.
pub(super) fn duration(record: &Record) -> Option<Duration> {
    let event = &record.judged.event;
    let passed = event.time.saturating_sub(event.created);
    (event.created != 0 && passed != 0).then(|| Duration {
        seconds: i64::try_from(passed / 1_000_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(passed % 1_000_000_000).unwrap_or_default(),
    })
}

/// When the end was told.
pub(super) fn ended(record: &Record) -> Option<Timestamp> {
    (record.judged.kind == EventKind::Close).then(|| timestamp(record.time))
}

/// Who reset the connection: the event is the reset itself, or tells the flags of the side that
/// opened it.
pub(super) fn reset_by(judged: &Judged) -> ConnectionSide {
    let event = &judged.event;
    if State::from_number(event.state) != Some(State::Reset) {
        return ConnectionSide::Unspecified;
    }
    let from_workload = judged.direction == Direction::Egress;
    if from_workload == (event.tcp_flags & RESET != 0) {
        ConnectionSide::Local
    } else {
        ConnectionSide::Remote
    }
}

/// How a process is known.
pub(super) const fn attribution(how: Attribution) -> ours::Attribution {
    match how {
        Attribution::Exact => ours::Attribution::Exact,
        Attribution::Inherited => ours::Attribution::Inherited,
        Attribution::Kernel => ours::Attribution::Kernel,
        Attribution::Unknown => ours::Attribution::Unknown,
    }
}

/// A process.
pub(super) fn process(owner: &Owner) -> ours::Process {
    let details = owner.details.clone();
    ours::Process {
        pid: owner.pid,
        name: owner.name.clone(),
        executable: details.executable,
        user_id: owner.user_id,
        group_id: owner.group_id,
        user: owner.user.clone(),
        started: (owner.started != 0).then(|| timestamp(owner.started)),
        cgroup: details.cgroup,
        unit: details.unit,
        container: details.container,
    }
}
