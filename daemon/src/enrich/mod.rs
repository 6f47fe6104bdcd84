//! Names for numbers: who an endpoint, an identity or a rule is.
//!
//! The resolver builds a [`Directory`] and swaps it in; the pipeline loads it once per batch.
//! Unknown is a value: a number nobody knows is served as unknown.

pub mod decision;
pub mod directory;
pub mod hits;
pub mod names;
pub mod party;
pub mod process;
pub mod reserved;

pub use decision::Decision;
pub use directory::{Directory, DirectoryHandle, address_of};
pub use hits::Hits;
pub use names::Names;
pub use party::{Party, Workload, WorkloadOwner};
pub use process::{Attribution, Measured, Owner, OwnerCounts, Owners};
