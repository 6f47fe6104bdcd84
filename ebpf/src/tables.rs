//! What the engine asks of the tables, the counters and the rings.

use flowd_abi::{
    Address, Connection, ConnectionKey, Denied, Endpoint, Event, FragmentHead, FragmentKey, Peer,
    PolicyEntry, PolicyKey,
};

/// Which ring an event goes to. Drops have their own, so that a flood of allowed flows cannot hide
/// them, nor a flood of drops the allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Everything that passes.
    Events,
    /// Everything that does not.
    Drops,
    /// What the kernel dropped.
    Kernel,
}

/// Nanoseconds without a packet after which a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, opened but not answered.
    pub tcp_new: u64,
    /// TCP, answered.
    pub tcp_established: u64,
    /// TCP, closing, closed or reset.
    pub tcp_closing: u64,
    /// UDP, SCTP and protocols without ports.
    pub other: u64,
    /// ICMP.
    pub icmp: u64,
    /// A denied flow; then its next packet is told anew.
    pub denied: u64,
    /// The memory of a fragment's head.
    pub fragment: u64,
}

/// The tables. Look-ups give a place in the table where they can: the engine writes counters and
/// states there.
pub trait Tables {
    /// The time-outs.
    fn timeouts(&self) -> Timeouts;

    /// `ENDPOINTS`.
    fn endpoint(&self, ifindex: u32) -> Option<Endpoint>;

    /// `PEERS`, the longest prefix that holds the address.
    fn peer(&self, address: &Address) -> Option<Peer>;

    /// `POLICY`, the longest prefix that holds the key.
    fn policy(&self, key: &PolicyKey) -> Option<PolicyEntry>;

    /// `CONNECTIONS`.
    fn connection(&mut self, key: &ConnectionKey) -> Option<&mut Connection>;

    /// Puts a connection; `false` if the table has no room.
    fn put_connection(&mut self, key: &ConnectionKey, value: &Connection) -> bool;

    /// Removes a connection.
    fn remove_connection(&mut self, key: &ConnectionKey);

    /// `DENIED`.
    fn denied(&mut self, key: &ConnectionKey) -> Option<&mut Denied>;

    /// Puts a denied flow; `false` if the table has no room.
    fn put_denied(&mut self, key: &ConnectionKey, value: &Denied) -> bool;

    /// Removes a denied flow.
    fn remove_denied(&mut self, key: &ConnectionKey);

    /// `FRAGMENTS`.
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentHead>;

    /// Puts a fragment's head.
    fn put_fragment(&mut self, key: &FragmentKey, value: &FragmentHead);

    /// Adds to a number that other CPUs may be adding to.
    fn add(place: &mut u64, amount: u64);

    /// Counts one packet of `length` bytes in a slot of `COUNTERS`, coalesced: it has no event of
    /// its own.
    fn coalesce(&mut self, slot: u32, length: u32);

    /// Counts one packet of `length` bytes in a slot of `COUNTERS`, before its event is told.
    fn count(&mut self, slot: u32, length: u32);

    /// Counts in a slot whether the event of its packet was told.
    fn classify(&mut self, slot: u32, told: bool);

    /// Counts in a slot packets that were deferred and have been told now.
    fn recovered(&mut self, slot: u32, packets: u64);

    /// Writes an event where `fill` completes a zeroed one; `false` if the ring has no room. The
    /// clock the engine is given may be late; a table that knows better corrects the event's time.
    fn tell(&mut self, ring: Ring, fill: impl FnOnce(&mut Event)) -> bool;
}
