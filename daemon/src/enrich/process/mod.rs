//! Which process owns the workload's end of a flow.
//!
//! The socket programs wrote down who opened, connected, accepted or sent; an event carries the
//! cookie of the socket. What is cached here is bounded, and what is not known stays unknown: a
//! process is read in /proc only while it is provably the one the kernel saw.

mod group;
mod owner;
mod owners;
mod proc;
mod users;

pub use owner::{Attribution, Measured, Owner};
pub use owners::{OwnerCounts, Owners, Sockets};
