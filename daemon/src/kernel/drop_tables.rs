//! The tables of what the kernel drops: whose packets count, what waits to be told, and how much
//! there was by reason.

use std::{io, os::fd::AsFd as _};

use aya::{
    maps::{HashMap, IterableMap as _, MapData, MapError, PerCpuArray},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use flowd_abi::{
    FreedCount, Guarded, GuardedKey, KernelDropKey, KernelDropped, KernelReason,
    sweep::{COUNT_AT, INTERVAL_AT, KEYS_AT, MAX_KEYS},
};

use super::{batch::BatchReader, object::Kernel, sweep::SweepError};

const SECOND: u64 = 1_000_000_000;
/// Entries read in one system call.
const BATCH: usize = 4096;

/// The addresses whose packets count.
#[derive(Debug)]
pub struct GuardedTable {
    map: HashMap<MapData, GuardedKey, Guarded>,
}

impl GuardedTable {
    /// Takes the table out of a loaded object.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel) -> Result<Self, MapError> {
        let map = HashMap::try_from(kernel.take_map("GUARDED"))?;
        Ok(Self { map })
    }

    /// Every entry.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn all(&self) -> Result<Vec<(GuardedKey, Guarded)>, MapError> {
        self.map.iter().collect()
    }

    /// Puts an address.
    ///
    /// # Errors
    ///
    /// When the table is full or the kernel refuses.
    pub fn put(&mut self, key: &GuardedKey, value: &Guarded) -> Result<(), MapError> {
        self.map.insert(key, value, 0)
    }

    /// Removes an address; gone already is as good.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove(&mut self, key: &GuardedKey) -> Result<(), MapError> {
        match self.map.remove(key) {
            Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

/// What a sweep of the flows found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropsFound {
    /// Flows in the table.
    pub flows: u64,
    /// Packets whose telling still waits for room in the ring.
    pub pending: u64,
}

/// Walks the flows that lose packets.
#[derive(Debug)]
pub struct DropSweep {
    map: HashMap<MapData, KernelDropKey, KernelDropped>,
    reader: BatchReader<KernelDropKey, KernelDropped>,
    /// Nanoseconds without a drop after which a flow is forgotten.
    limit: u64,
    /// Nanoseconds between two events about one that goes on.
    interval: u64,
    wanted: Vec<KernelDropKey>,
}

impl DropSweep {
    /// Takes the table out of a loaded object; both times are in seconds.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel, limit: u32, interval: u32) -> Result<Self, MapError> {
        Ok(Self {
            map: HashMap::try_from(kernel.take_map("KERNEL_DROPS"))?,
            reader: BatchReader::new(BATCH),
            limit: u64::from(limit) * SECOND,
            interval: u64::from(interval) * SECOND,
            wanted: Vec::new(),
        })
    }

    /// Walks the table once. `now` is `CLOCK_MONOTONIC` in nanoseconds.
    ///
    /// # Errors
    ///
    /// When the table cannot be walked or the program cannot be run.
    pub fn run(
        &mut self,
        program: &mut SchedClassifier,
        now: u64,
    ) -> Result<DropsFound, SweepError> {
        let mut found = DropsFound::default();
        let (limit, interval, wanted) = (self.limit, self.interval, &mut self.wanted);
        wanted.clear();
        self.reader
            .walk(self.map.map().fd().as_fd(), |key, value| {
                found.flows += 1;
                found.pending += u64::from(value.deferred);
                let untold = value.packets > value.told_packets;
                let due = value.deferred > 0 || now.saturating_sub(value.told) >= interval;
                if (untold && due) || now.saturating_sub(value.last) > limit {
                    wanted.push(*key);
                }
            })
            .map_err(|source| SweepError::Walk {
                table: "KERNEL_DROPS",
                source,
            })?;
        let mut request = Vec::new();
        for keys in self.wanted.chunks(MAX_KEYS as usize) {
            request.clear();
            request.resize(KEYS_AT as usize, 0);
            request[COUNT_AT as usize] = keys.len() as u8;
            let at = INTERVAL_AT as usize;
            request[at..at + 8].copy_from_slice(&self.interval.to_ne_bytes());
            for key in keys {
                request.extend_from_slice(&key.to_bytes());
            }
            let mut options = TestRunOptions::new();
            options.data_in = Some(&request);
            program.test_run(options)?;
        }
        Ok(found)
    }
}

/// What was freed as dropped since the tables were made, summed over the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropCounts {
    /// Packets of guarded workloads by reason, of those that occurred; the last slot stands for all
    /// reasons that have none.
    pub reasons: Vec<(KernelReason, u64)>,
    /// Those a verdict of ours dropped.
    pub ours: u64,
    /// Those by which nothing was lost.
    pub no_loss: u64,
    /// Those of nobody who is guarded.
    pub elsewhere: u64,
}

/// Reader of `REASON_COUNTS` and `FREED_COUNTS`.
pub struct DropCounter {
    reasons: PerCpuArray<MapData, u64>,
    freed: PerCpuArray<MapData, u64>,
}

impl DropCounter {
    /// Takes the counts out of a loaded object.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel) -> Result<Self, MapError> {
        Ok(Self {
            reasons: PerCpuArray::try_from(kernel.take_map("REASON_COUNTS"))?,
            freed: PerCpuArray::try_from(kernel.take_map("FREED_COUNTS"))?,
        })
    }

    /// The sums of now.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn read(&self) -> Result<DropCounts, MapError> {
        let sum = |map: &PerCpuArray<MapData, u64>, slot| -> Result<u64, MapError> {
            Ok(map.get(&slot, 0)?.iter().sum())
        };
        let freed = |count: FreedCount| sum(&self.freed, count as u32);
        let mut reasons = Vec::new();
        for slot in 0..KernelReason::COUNTED {
            let count = sum(&self.reasons, slot)?;
            let reason = match slot + 1 == KernelReason::COUNTED {
                true => KernelReason::OTHER,
                false => KernelReason::of(slot),
            };
            if count > 0 {
                reasons.push((reason, count));
            }
        }
        Ok(DropCounts {
            reasons,
            ours: freed(FreedCount::Ours)?,
            no_loss: freed(FreedCount::NoLoss)?,
            elsewhere: freed(FreedCount::Elsewhere)?,
        })
    }
}
