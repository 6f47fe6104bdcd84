//! The ledger's counters, summed over the CPUs.

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use flowd_abi::{Counter, CounterIndex, Direction, Verdict};

use super::object::Kernel;

/// How often a slot is read again when a packet was in hand: each takes well under a microsecond.
const READS: u32 = 64;

/// Reader of `COUNTERS`.
pub struct Counters {
    map: PerCpuArray<MapData, Counter>,
}

/// One row: what one verdict came to in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRow {
    /// The verdict with its reason.
    pub verdict: Verdict,
    /// The side of the workload.
    pub direction: Direction,
    /// The sums over all CPUs.
    pub counter: Counter,
}

impl Counters {
    /// Takes the counters out of a loaded object.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel) -> Result<Self, MapError> {
        let map: Map = kernel.take_map("COUNTERS");
        Ok(Self {
            map: PerCpuArray::try_from(map)?,
        })
    }

    /// Every row, in a fixed order, those without a packet included.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn read(&self) -> Result<Vec<CounterRow>, MapError> {
        CounterIndex::all()
            .map(|(slot, verdict, direction)| {
                Ok(CounterRow {
                    verdict,
                    direction,
                    counter: self.settled(slot)?,
                })
            })
            .collect()
    }

    /// A slot between two packets: one in hand is counted, but not yet told.
    fn settled(&self, slot: u32) -> Result<Counter, MapError> {
        let mut counter = self.sum(slot)?;
        for _ in 0..READS {
            if counter.packets == counter.told + counter.coalesced + counter.deferred {
                break;
            }
            counter = self.sum(slot)?;
        }
        Ok(counter)
    }

    fn sum(&self, slot: u32) -> Result<Counter, MapError> {
        let mut counter = Counter::default();
        for part in self.map.get(&slot, 0)?.iter() {
            counter.packets += part.packets;
            counter.bytes += part.bytes;
            counter.told += part.told;
            counter.coalesced += part.coalesced;
            counter.deferred += part.deferred;
            counter.recovered += part.recovered;
        }
        Ok(counter)
    }
}
