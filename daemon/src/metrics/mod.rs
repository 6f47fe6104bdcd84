//! Prometheus: Hubble's families from the flows, flowd's own ledger and health.
//!
//! On the way of an event only numbers move; names are made when somebody scrapes.

pub mod announced;
pub mod calls;
pub mod catalog;
pub mod contexts;
pub mod doors;
pub mod engine;
pub mod export;
pub mod exporters;
pub mod facts;
pub mod family;
pub mod health;
pub mod hubble;
mod kernel_drops;
mod labels;
pub mod owners;
pub mod plugin;
pub mod process;
pub mod rules;
pub mod scrapes;
pub mod settings;
pub mod shadow;
pub mod table;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Registry, TextEncoder};

use crate::enrich::{Directory, DirectoryHandle, Hits, OwnerCounts};
use crate::flow::{Log, Record, pipeline::Ring};
use crate::observe::filter::{self, FilterError};
use crate::observe::uuid::Boot;
use crate::serve::status::StatusHandle;
use crate::shadow::Tallies;
use calls::{CallCollector, Calls};
use engine::Engine;
use export::Snapshots;
use scrapes::{ScrapeCollector, Scrapes};
pub use settings::Settings;

/// What the pipeline counts beside the flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intake {
    /// Events received by ring.
    pub received: [u64; Ring::ALL.len()],
    /// Ring records that were no events.
    pub undecodable: u64,
}

#[derive(Debug)]
struct Counts {
    engine: Engine,
    intake: Intake,
}

/// The counters the pipeline moves.
#[derive(Debug)]
pub struct FlowMetrics {
    counts: Mutex<Counts>,
    cilium_version: AtomicBool,
    /// Whether the last look at changed settings was good.
    settings_good: AtomicBool,
    /// Good and bad ones.
    reloads: [AtomicU64; 2],
    reader_gap_flows: AtomicU64,
    hits: Arc<Hits>,
    owners: Arc<OwnerCounts>,
    shadows: Tallies,
    calls: Calls,
}

impl Default for FlowMetrics {
    fn default() -> Self {
        // The default plugins have no filter that could be wrong.
        let context = filter::Context {
            directory: DirectoryHandle::default(),
            boot: Boot::fixed(0),
            scope: Default::default(),
        };
        let engine = Engine::new(&Settings::default(), &context).unwrap_or_default();
        Self::over(engine)
    }
}

impl FlowMetrics {
    /// Counters of the plugins of these settings; their filters ask `context`.
    ///
    /// # Errors
    ///
    /// When a filter means nothing.
    pub fn new(settings: &Settings, context: &filter::Context) -> Result<Self, FilterError> {
        let metrics = Self::over(Engine::new(settings, context)?);
        metrics.set_cilium_version(settings);
        Ok(metrics)
    }

    fn over(engine: Engine) -> Self {
        Self {
            counts: Mutex::new(Counts {
                engine,
                intake: Intake::default(),
            }),
            cilium_version: AtomicBool::new(false),
            settings_good: AtomicBool::new(true),
            reloads: Default::default(),
            reader_gap_flows: AtomicU64::new(0),
            hits: Arc::default(),
            owners: Arc::default(),
            shadows: Tallies::default(),
            calls: Calls::default(),
        }
    }

    /// Goes on with other settings. A plugin whose contexts, options and budget stay as they are
    /// keeps its series; any other starts over.
    ///
    /// # Errors
    ///
    /// When a filter means nothing; then all stays as it was.
    pub fn configure(
        &self,
        settings: &Settings,
        context: &filter::Context,
    ) -> Result<(), FilterError> {
        let mut next = Engine::new(settings, context)?;
        let mut counts = self.counts.lock();
        next.inherit(std::mem::take(&mut counts.engine));
        counts.engine = next;
        drop(counts);
        self.set_cilium_version(settings);
        Ok(())
    }

    fn set_cilium_version(&self, settings: &Settings) {
        self.cilium_version
            .store(settings.cilium_version, Ordering::Relaxed);
    }

    /// Whether `cilium_version` is served.
    pub fn cilium_version(&self) -> bool {
        self.cilium_version.load(Ordering::Relaxed)
    }

    /// Counts that settings were read again, and whether they are in force.
    pub fn reloaded(&self, good: bool) {
        self.settings_good.store(good, Ordering::Relaxed);
        self.reloads[usize::from(!good)].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the settings last read are in force; how many were, and how many were not.
    pub fn reloads(&self) -> (bool, [u64; 2]) {
        let [good, bad] = &self.reloads;
        let counts = [good, bad].map(|count| count.load(Ordering::Relaxed));
        (self.settings_good.load(Ordering::Relaxed), counts)
    }

    /// Removes the series of workloads that went, and idle ones where room gets narrow. `now` is in
    /// seconds and only has to grow.
    pub fn tend(&self, directory: &Directory, now: i64) {
        self.counts.lock().engine.tend(directory, now);
    }

    /// Counts a batch of flows, and takes over what the pipeline counted beside them. One lock for
    /// the batch; a scrape holds it only as long as it takes to copy the numbers.
    pub fn count(
        &self,
        batch: &[Record],
        received: &mut [u64; Ring::ALL.len()],
        undecodable: &mut u64,
    ) {
        let mut counts = self.counts.lock();
        counts.engine.count(batch);
        let intake = &mut counts.intake;
        for (total, new) in intake.received.iter_mut().zip(received) {
            *total += std::mem::take(new);
        }
        intake.undecodable += std::mem::take(undecodable);
    }

    /// How often rules and policies decided.
    pub fn hits(&self) -> &Arc<Hits> {
        &self.hits
    }

    /// How many events named their process.
    pub const fn owners(&self) -> &Arc<OwnerCounts> {
        &self.owners
    }

    /// How often shadow policies would have decided.
    pub fn shadows(&self) -> &Tallies {
        &self.shadows
    }

    /// What happened to calls of gRPC.
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Counts flows a reader was too slow for.
    pub fn reader_gap(&self, flows: u64) {
        self.reader_gap_flows.fetch_add(flows, Ordering::Relaxed);
    }

    /// What came in.
    pub fn intake(&self) -> Intake {
        self.counts.lock().intake
    }

    /// Events that share a series since their family was at its budget.
    pub fn folded(&self) -> u64 {
        self.counts.lock().engine.folded()
    }

    /// The series as they are now.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::of(&self.counts.lock().engine)
    }

    /// Flows that readers were too slow for.
    pub fn reader_gap_flows(&self) -> u64 {
        self.reader_gap_flows.load(Ordering::Relaxed)
    }
}

/// Everything that can be scraped.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    flows: Arc<FlowMetrics>,
    scrapes: Scrapes,
}

impl Metrics {
    /// The families of Hubble and flowd over the given sources.
    ///
    /// # Errors
    ///
    /// When two collectors claim the same family, which is a mistake in this crate.
    pub fn new(
        flows: Arc<FlowMetrics>,
        log: Log,
        status: StatusHandle,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let hits = flows.hits().clone();
        let scrapes = Scrapes::default();
        let owners = flows.owners().clone();
        let shadows = flows.shadows().clone();
        let collectors: [Box<dyn Collector>; 8] = [
            Box::new(hubble::HubbleCollector::new(flows.clone())),
            Box::new(health::HealthCollector::new(flows.clone(), log, status)),
            Box::new(process::ProcessCollector),
            Box::new(rules::RuleCollector::new(hits)),
            Box::new(ScrapeCollector::new(scrapes.clone())),
            Box::new(owners::OwnerCollector::new(owners)),
            Box::new(shadow::ShadowCollector::new(shadows)),
            Box::new(CallCollector::new(flows.calls().clone())),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(Self {
            registry,
            flows,
            scrapes,
        })
    }

    /// The same with one more collector.
    ///
    /// # Errors
    ///
    /// When it claims a family of another, which is a mistake in this crate.
    pub fn also(self, collector: Box<dyn Collector>) -> Result<Self, prometheus::Error> {
        self.registry.register(collector)?;
        Ok(self)
    }

    /// The text format. Families of the plugins that have no series yet are announced.
    ///
    /// # Errors
    ///
    /// When a family cannot be written, which is a mistake in this crate.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let start = Instant::now();
        let text = self.build();
        self.scrapes.count(text.is_ok(), start.elapsed());
        text
    }

    fn build(&self) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        for (name, help, kind) in self.flows.snapshots().announced() {
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        Ok(text)
    }
}
