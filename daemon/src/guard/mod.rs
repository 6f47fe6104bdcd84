//! The control loop: finds the workloads, resolves, writes the tables, and says how it went.

mod applier;
mod board;
mod changes;
mod control;
mod discover;
mod hold;
mod host;
mod kernel_drops;
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
pub use kernel_drops::{Addresses, Keeper, Prepared};
pub use ledger::Ledger;
pub use nudge::Nudge;
pub use processes::watch as watch_processes;
pub use pulse::Pulse;
pub use readback::Drift;
pub use reader::Reader;
