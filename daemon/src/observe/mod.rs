//! The observe reader: from stored records to Hubble's flows, for those that pass a filter.

pub mod agent;
pub mod class;
pub mod coverage;
pub mod events;
pub mod extension;
pub mod filter;
pub mod flow;
pub mod icmp;
pub mod lost;
pub mod mask;
mod numbers;
pub mod query;
pub mod tcp;
pub mod uuid;
pub mod wire;

pub use crate::enrich::party::CLUSTER;
pub use filter::{FilterError, FilterSet};
pub use mask::{Mask, Parts};
pub use query::{Query, QueryError, Step};

#[cfg(test)]
mod tests;
