//! Shadow policies: judged beside the enforced ones on every new connection, never enforced.
//!
//! What would be in force were every shadow policy enforced is compiled as if for the kernel and
//! kept here. The pipeline asks it about each verdict and puts the answer on the flow. Nothing of it
//! is ever written to a table of the programs.

mod blocks;
mod cache;
mod planner;
mod tables;
mod tallies;
#[cfg(test)]
mod tests;
mod verdict;

pub use cache::ShadowCache;
pub use planner::Shadows;
pub use tables::ShadowTables;
pub use tallies::{Counts, Enforced, Tallies, Tally};
pub use verdict::Shadowed;
