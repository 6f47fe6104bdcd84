//! A flowd of our own: guards the interfaces of one testbed, in a directory of its own, gone when dropped.

mod builder;
mod files;
mod metrics;
mod probe;
mod process;

pub use builder::{FlowdBuilder, binary};
pub use metrics::Metrics;
pub use process::Flowd;
