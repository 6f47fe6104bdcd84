//! The two rings, read by polling: no event pays for waking anybody.

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

/// Readers of `EVENTS` and `DROPS`.
pub struct Rings {
    events: RingBuf<MapData>,
    drops: RingBuf<MapData>,
}

/// Records taken from each ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// From `EVENTS`.
    pub events: usize,
    /// From `DROPS`.
    pub drops: usize,
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
        })
    }

    /// Hands every waiting record to `visit`, at most `limit` from each ring. Drops first: they
    /// are what people look for.
    pub fn drain(&mut self, limit: usize, mut visit: impl FnMut(&[u8])) -> Taken {
        let drops = drain(&mut self.drops, limit, &mut visit);
        let events = drain(&mut self.events, limit, &mut visit);
        Taken { events, drops }
    }
}

fn ring(kernel: &mut Kernel, name: &'static str) -> Result<RingBuf<MapData>, RingError> {
    RingBuf::try_from(kernel.take_map(name)).map_err(|source| RingError { name, source })
}

fn drain(ring: &mut RingBuf<MapData>, limit: usize, visit: &mut impl FnMut(&[u8])) -> usize {
    for taken in 0..limit {
        match ring.next() {
            Some(record) => visit(&record),
            None => return taken,
        }
    }
    limit
}
