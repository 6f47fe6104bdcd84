//! The command line of flowd: arguments become a request, answers become text. What a flow means is
//! decided by the daemon, and what a policy means by `flowd-policy`; nothing here judges.

pub mod args;
pub mod client;
pub mod commands;
pub mod failure;
pub mod filter;
pub mod print;
pub mod secure;
pub mod settings;
