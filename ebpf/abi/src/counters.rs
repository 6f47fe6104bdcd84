//! The ledger's counters: one per-CPU slot for each verdict, reason and direction.

use crate::{Direction, DropReason, ForwardReason, Verdict};

/// One slot. At any instant and on each CPU, once the packet in hand is finished,
/// `packets = told + coalesced + deferred`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counter {
    /// Packets judged.
    pub packets: u64,
    /// Bytes of those packets, layer 2 included.
    pub bytes: u64,
    /// Packets that were told to userspace by an event of their own.
    pub told: u64,
    /// Packets counted in a connection or a denied flow that is or will be told.
    pub coalesced: u64,
    /// Packets whose event found no room in the ring; the sweep tells them later.
    pub deferred: u64,
    /// Deferred packets the sweep has told since.
    pub recovered: u64,
}

/// Slots of `COUNTERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterIndex;

impl CounterIndex {
    /// Reasons a verdict can have, at most; a power of two keeps the index arithmetic cheap.
    const REASONS: u32 = 32;
    /// Number of slots: three verdicts, two directions.
    pub const LEN: u32 = Self::REASONS * 3 * 2;

    /// The slot of a verdict in a direction.
    #[inline(always)]
    pub const fn of(verdict: Verdict, direction: Direction) -> u32 {
        let (kind, reason) = match verdict {
            Verdict::Forward(reason) => (0, reason as u32),
            Verdict::Drop(reason) => (1, reason as u32),
            Verdict::Audit(reason) => (2, reason as u32),
        };
        let side = match direction {
            Direction::Ingress => 0,
            Direction::Egress => 1,
        };
        (kind * 2 + side) * Self::REASONS + reason
    }

    /// Every slot with its meaning.
    pub fn all() -> impl Iterator<Item = (u32, Verdict, Direction)> {
        let forwards = ForwardReason::ALL.into_iter().map(Verdict::Forward);
        let drops = DropReason::ALL.into_iter().map(Verdict::Drop);
        // Nobody lets pass what the kernel has dropped.
        let ours = DropReason::ALL
            .into_iter()
            .filter(|reason| !reason.is_of_kernel());
        let audits = ours.map(Verdict::Audit);
        forwards.chain(drops).chain(audits).flat_map(|verdict| {
            Direction::ALL
                .into_iter()
                .map(move |direction| (Self::of(verdict, direction), verdict, direction))
        })
    }
}
