//! The request userspace hands to the programs `sweep_flows` and `sweep_kernel_drops`, as the bytes
//! of a test packet.
//!
//! Behind room for an Ethernet header: the table, the number of keys, the update interval in
//! nanoseconds (host byte order), then the keys.

/// Offset of the table byte.
pub const TABLE_AT: u32 = 14;
/// Offset of the number of keys, one byte.
pub const COUNT_AT: u32 = 15;
/// Offset of the update interval, eight bytes.
pub const INTERVAL_AT: u32 = 16;
/// Offset of the first key.
pub const KEYS_AT: u32 = 24;
/// Keys in one request, at most: what the verifier walks in one run.
pub const MAX_KEYS: u32 = 8;
/// The keys are connections.
pub const TABLE_CONNECTIONS: u8 = 1;
/// The keys are denied flows.
pub const TABLE_DENIED: u8 = 2;
