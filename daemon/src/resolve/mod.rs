//! From endpoints and policies to what the tables ought to hold. Pure: no kernel, no clock, no I/O.

mod identities;
mod numbers;
mod plan;
mod resolver;
#[cfg(test)]
mod tests;

pub use identities::Identities;
pub use numbers::{Numbers, Used};
pub use plan::{CompiledPolicy, Plan, PlannedEndpoint};
pub use resolver::{Guarded, Inputs, Resolver};
