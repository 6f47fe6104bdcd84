//! The host itself as a workload: its devices, the connection its operator is kept by, and the
//! switch that puts its policies out of force.

mod ancestors;
mod break_glass;
mod client;
mod devices;
mod operator;

pub use break_glass::{BreakGlass, Broken};
pub use client::Client;
pub use devices::with_default_route;
pub use operator::{KeptConnection, Operator};
