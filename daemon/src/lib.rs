//! flowd, the flow service that enforces: everything the daemon is made of, in the order a verdict
//! meets it.

pub mod access;
pub mod aggregate;
pub mod app;
pub mod applied;
pub mod capabilities;
pub mod clock;
pub mod config;
pub mod detach;
pub mod doctor;
mod doors;
pub mod endpoints;
pub mod enrich;
pub mod export;
pub mod flow;
pub mod glass;
pub mod guard;
pub mod host;
pub mod kernel;
pub mod logging;
pub mod metrics;
pub mod modes;
pub mod observe;
pub mod rehearse;
mod reload;
pub mod resolve;
pub mod rolling;
pub mod serve;
pub mod shadow;
pub mod sources;
mod threads;
pub mod why;
