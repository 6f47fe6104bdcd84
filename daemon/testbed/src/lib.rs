//! Network namespaces as workloads, with real traffic: the ground that tests, benches and the demo stand on.
//!
//! A [`Testbed`] is one router namespace (the *node*) with any number of [`Pod`]s and outside [`World`]s behind
//! it. Everything lives in namespaces of its own, so several testbeds run at once, with the same addresses
//! inside, beside a flowd that guards the real host. Dropping a value undoes it; what a killed process left
//! behind is removed by the next testbed ([`Testbed::sweep_stale`]).

mod addresses;
mod bed;
mod bpffs;
pub mod cases;
mod flowd;
mod ip;
mod manifest;
mod namespace;
mod pod;
mod sweep;
pub mod traffic;

pub use addresses::{GATEWAY_V4, GATEWAY_V6, WORKLOADS_V4, WORKLOADS_V6};
pub use bed::Testbed;
pub use bpffs::Bpffs;
pub use flowd::{Flowd, FlowdBuilder, Metrics, binary};
pub use manifest::endpoint_yaml;
pub use namespace::Namespace;
pub use pod::{Pod, PodSpec, World};
