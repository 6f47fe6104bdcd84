//! The ring reader: takes what the programs told and hands it to the pipeline.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    clock::{monotonic, realtime},
    enrich::DirectoryHandle,
    flow::pipeline::{Clock, Ingested, Pipeline, Ring},
    guard::Pulse,
    kernel::rings::Rings,
};

/// Shortest and longest pause between two looks at the rings. Nobody wakes the reader, so the
/// longest is how late a flow on an idle node can be; in the shortest, a ring of the default size
/// takes over ten million events a second, and a look costs little beside what it finds.
const PAUSES: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(16)];
/// Records taken from one ring before the other gets its turn.
const LIMIT: usize = 16_384;

/// Reads the rings until told to stop.
pub struct Reader {
    rings: Rings,
    pipeline: Pipeline,
    directory: DirectoryHandle,
}

impl Reader {
    /// A reader of these rings.
    pub const fn new(rings: Rings, pipeline: Pipeline, directory: DirectoryHandle) -> Self {
        Self {
            rings,
            pipeline,
            directory,
        }
    }

    /// Runs until `stop` is set, then takes what is there a last time.
    pub fn run(mut self, stop: &AtomicBool, pulse: &Pulse) {
        let mut pause = PAUSES[0];
        while !stop.load(Ordering::Relaxed) {
            pulse.beat();
            let taken = self.turn();
            if taken >= LIMIT {
                continue;
            }
            pause = if taken > 0 {
                PAUSES[0].max(pause / 2)
            } else {
                PAUSES[1].min(pause * 2)
            };
            thread::sleep(pause);
        }
        self.turn();
    }

    fn turn(&mut self) -> usize {
        let clock = clock();
        let directory = self.directory.snapshot();
        self.pipeline.follow(&directory);
        let pipeline = &mut self.pipeline;
        let mut sum = Ingested::default();
        let drops = self.rings.drain_drops(LIMIT, |bytes| {
            pipeline.push(Ring::Drops, bytes, clock, &mut sum);
        });
        let events = self.rings.drain_events(LIMIT, |bytes| {
            pipeline.push(Ring::Events, bytes, clock, &mut sum);
        });
        let kernel = self.rings.drain_kernel(LIMIT, |bytes| {
            pipeline.push(Ring::Kernel, bytes, clock, &mut sum);
        });
        if drops + events + kernel > 0 {
            pipeline.flush();
        }
        drops.max(events).max(kernel)
    }
}

/// The distance of the programs' clock to Unix time, as of now: it moves when the time is set.
fn clock() -> Clock {
    let offset = i128::from(realtime()) - i128::from(monotonic());
    Clock {
        offset: i64::try_from(offset).unwrap_or_default(),
    }
}
