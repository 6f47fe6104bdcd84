//! Directories of YAML files as sources of endpoints and policies.

mod directory;
mod watch;

pub use directory::{Parse, Source};
pub use watch::Watch;
pub(crate) use watch::only_reads;
