//! The kernel side as the daemon sees it: load, pin, attach, tables, counters, rings, sweep. The
//! only room that knows aya.

pub mod attach;
pub mod batch;
pub mod behind;
pub mod bpffs;
pub mod btf;
pub mod counters;
pub mod drop_tables;
pub mod events;
pub mod host;
pub mod kernel_drops;
pub mod links;
pub mod namespace;
pub mod object;
pub mod reasons;
pub mod rings;
pub mod sockets;
pub mod sweep;
pub mod tables;

pub use attach::{AttachMode, Attachments, Side};
pub use object::{Kernel, Sizes, Timeouts};
