//! From endpoints and policies to what the tables ought to hold. Pure: no kernel, no clock, no I/O.

#[cfg(test)]
mod anew;
mod classes;
mod host;
mod identities;
mod members;
mod numbers;
mod peers;
mod plan;
mod resolver;
mod subjects;
#[cfg(test)]
mod tests;

pub use identities::Identities;
pub use numbers::{Numbers, Used};
pub use peers::{PeerKey, Peers};
pub use plan::{CompiledPolicy, Plan, PlannedEndpoint};
pub use resolver::{Guarded, Inputs, Resolver};
