//! The rings, read by polling: no event pays for waking anybody.

use aya::maps::{MapData, MapError, RingBuf};
use thiserror::Error;

use super::object::Kernel;

/// A ring could not be mapped.
#[derive(Debug, Error)]
#[error("ring {name}: {source}")]
pub struct RingError {
    name: &'static str,
    source: MapError,
}

/// Readers of `EVENTS`, `DROPS` and `KERNEL_RING`.
pub struct Rings {
    events: RingBuf<MapData>,
    drops: RingBuf<MapData>,
    kernel: RingBuf<MapData>,
}

impl Rings {
    /// Takes the rings out of a loaded object.
    ///
    /// # Errors
    ///
    /// When they cannot be mapped.
    pub fn take(kernel: &mut Kernel) -> Result<Self, RingError> {
        Ok(Self {
            events: ring(kernel, "EVENTS")?,
            drops: ring(kernel, "DROPS")?,
            kernel: ring(kernel, "KERNEL_RING")?,
        })
    }

    /// Hands waiting records of `EVENTS` to `visit`, at most `limit`; how many there were.
    pub fn drain_events(&mut self, limit: usize, visit: impl FnMut(&[u8])) -> usize {
        drain(&mut self.events, limit, visit)
    }

    /// Hands waiting records of `DROPS` to `visit`, at most `limit`; how many there were.
    pub fn drain_drops(&mut self, limit: usize, visit: impl FnMut(&[u8])) -> usize {
        drain(&mut self.drops, limit, visit)
    }

    /// Hands waiting records of `KERNEL_RING` to `visit`, at most `limit`; how many there were.
    pub fn drain_kernel(&mut self, limit: usize, visit: impl FnMut(&[u8])) -> usize {
        drain(&mut self.kernel, limit, visit)
    }
}

fn ring(kernel: &mut Kernel, name: &'static str) -> Result<RingBuf<MapData>, RingError> {
    RingBuf::try_from(kernel.take_map(name)).map_err(|source| RingError { name, source })
}

fn drain(ring: &mut RingBuf<MapData>, limit: usize, mut visit: impl FnMut(&[u8])) -> usize {
    for taken in 0..limit {
        match ring.next() {
            Some(record) => visit(&record),
            None => return taken,
        }
    }
    limit
}
