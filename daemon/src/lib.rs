//! flowd, the flow service that enforces: everything the daemon is made of, in the order a verdict
//! meets it.

pub mod enrich;
pub mod flow;
pub mod kernel;
pub mod metrics;
pub mod observe;
pub mod serve;
