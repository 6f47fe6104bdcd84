//! Endpoints: who is guarded, and where. Files are one source of them.

mod file;
mod seed;
mod spec;

pub use file::parse;
pub use seed::{OpenConnection, connections, sockets};
pub use spec::{Addresses, Attach, EndpointSpec};
