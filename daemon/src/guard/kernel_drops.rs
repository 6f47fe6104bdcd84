//! Watching what the kernel drops by itself: on, off, or not to be had on this kernel.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use flowd_abi::{Address, Guarded, GuardedKey, endpoint::EndpointFlags};

use super::{Board, Control};
use crate::{
    clock::monotonic,
    config::KernelDrops,
    enrich::address_of,
    kernel::{
        Kernel, Sizes, Timeouts, behind,
        bpffs::Pins,
        drop_tables::{DropCounter, DropSweep, GuardedTable},
        kernel_drops::{self, KernelDropError, Layout},
        namespace::Namespace,
    },
    resolve::{Plan, PlannedEndpoint},
    serve::status::KernelDropStatus,
};

/// Whether it can be watched, before anything is loaded.
#[derive(Debug)]
pub enum Prepared {
    /// Nobody wants it.
    Off,
    /// This kernel does not tell enough.
    Cannot(KernelDropError),
    /// It can.
    Ready(Box<Layout>),
}

impl Prepared {
    /// Asks the kernel where it keeps what is to be read.
    pub fn new(wanted: &KernelDrops, guarded: &Namespace) -> Self {
        if !wanted.watch {
            return Self::Off;
        }
        match Layout::of_kernel(guarded) {
            Ok(layout) => Self::Ready(Box::new(layout)),
            Err(error) => Self::Cannot(error),
        }
    }

    /// What is loaded for it.
    pub fn load(&self, wanted: &KernelDrops, sizes: &mut Sizes) -> Layout {
        match self {
            Self::Off | Self::Cannot(_) => Layout::default(),
            Self::Ready(layout) => {
                sizes.kernel_drops = wanted.flows;
                **layout
            }
        }
    }

    /// Puts the program on its tracepoint, or takes an earlier daemon's off. Where that cannot be,
    /// the daemon does without: the log and the status say why.
    pub fn watch(
        self,
        kernel: &Arc<Mutex<Kernel>>,
        pins: &Pins,
        (timeouts, interval): (&Timeouts, u32),
        board: &Board,
    ) -> Option<(Keeper, Addresses)> {
        let mut kernel = kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match self {
            Self::Off => Err(None),
            Self::Cannot(error) => Err(Some(error.to_string())),
            Self::Ready(_) => begin(&mut kernel, pins, timeouts, interval).map_err(Some),
        };
        let why_not = match begun {
            Ok(watching) => {
                board.update(|status| status.kernel_drops.watched = true);
                tracing::info!("drops of the kernel that were not ours are told");
                return Some(watching);
            }
            Err(Some(error)) => {
                tracing::warn!(%error, "drops of the kernel that were not ours are not told");
                error
            }
            Err(None) => "switched off (kernel_drops.watch)".to_owned(),
        };
        if let Err(error) = kernel_drops::detach(pins) {
            tracing::warn!(%error, "an earlier daemon's program on the kernel's drops stays");
        }
        board.update(|status| status.kernel_drops.why_not = why_not);
        None
    }
}

fn begin(
    kernel: &mut Kernel,
    pins: &Pins,
    timeouts: &Timeouts,
    interval: u32,
) -> Result<(Keeper, Addresses), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let keeper = Keeper {
        sweep: DropSweep::take(kernel, timeouts.denied, interval).map_err(|error| text(&error))?,
        counter: DropCounter::take(kernel).map_err(|error| text(&error))?,
    };
    let addresses = Addresses::adopt(GuardedTable::take(kernel).map_err(|error| text(&error))?)?;
    kernel_drops::attach(kernel, pins).map_err(|error| text(&error))?;
    Ok((keeper, addresses))
}

/// Tells what was counted, and counts.
pub struct Keeper {
    sweep: DropSweep,
    counter: DropCounter,
}

impl Keeper {
    /// Sweeps once; how it stands, and how many packets wait to be told.
    ///
    /// # Errors
    ///
    /// When a table cannot be read or the sweep not be run, in words.
    pub fn turn(&mut self, kernel: &mut Kernel) -> Result<(KernelDropStatus, u64), String> {
        let program = kernel.program("sweep_kernel_drops");
        let found = self.sweep.run(program, monotonic());
        let found = found.map_err(|error| error.to_string())?;
        let status = KernelDropStatus {
            watched: true,
            why_not: String::new(),
            flows: found.flows,
            counts: self.counter.read().map_err(|error| error.to_string())?,
            missed: kernel_drops::missed(kernel),
        };
        Ok((status, found.pending))
    }
}

/// The addresses whose packets count, kept as the plan has them.
#[derive(Debug)]
pub struct Addresses {
    table: GuardedTable,
    known: BTreeMap<GuardedKey, Guarded>,
    plan: Option<Arc<Plan>>,
}

impl Addresses {
    /// Takes over what an earlier daemon has written.
    fn adopt(table: GuardedTable) -> Result<Self, String> {
        let known = table.all().map_err(|error| error.to_string())?;
        Ok(Self {
            table,
            known: known.into_iter().collect(),
            plan: None,
        })
    }

    /// Makes the table what a plan says, if that is another than before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, in words; the next call tries again.
    pub fn follow(&mut self, plan: &Arc<Plan>, guarded: &Namespace) -> Result<(), String> {
        if self
            .plan
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, plan))
        {
            return Ok(());
        }
        self.plan = None;
        let number = guarded.number().map_err(|error| error.to_string())?;
        let wanted = wanted(plan, number, &behind(plan, guarded));
        let failed = |error| format!("kernel drops: table GUARDED: {error}");
        let gone: Vec<GuardedKey> = self
            .known
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .copied()
            .collect();
        for key in gone {
            self.table.remove(&key).map_err(failed)?;
            self.known.remove(&key);
        }
        for (key, value) in wanted {
            if self.known.get(&key) != Some(&value) {
                self.table.put(&key, &value).map_err(failed)?;
                self.known.insert(key, value);
            }
        }
        self.plan = Some(Arc::clone(plan));
        Ok(())
    }
}

impl Control {
    /// Whose packets count where the kernel drops them.
    pub(super) fn know_addresses(&mut self) {
        if let Some(addresses) = &mut self.parts.dropped {
            let (plan, namespace) = (self.parts.resolver.plan(), &self.parts.namespace);
            if let Err(problem) = addresses.follow(plan, namespace) {
                self.problem = Some(problem);
            }
        }
    }
}

/// The namespaces behind devices, where a workload was named by its device only.
fn behind(plan: &Plan, guarded: &Namespace) -> HashMap<u32, u32> {
    let unknown =
        |one: &PlannedEndpoint| one.namespace.is_none() && !one.value.has(EndpointFlags::HOST);
    if !plan.each().any(unknown) {
        return HashMap::new();
    }
    behind::behind(guarded).unwrap_or_else(|error| {
        tracing::warn!(%error, "the namespaces of workloads are not known; what the kernel drops \
             counts by addresses alone");
        HashMap::new()
    })
}

/// Every address of the plan where it may be met: in the guarded namespace and in the workload's
/// own; in every one where that is not known.
fn wanted(plan: &Plan, guarded: u32, behind: &HashMap<u32, u32>) -> BTreeMap<GuardedKey, Guarded> {
    let mut wanted = BTreeMap::new();
    for planned in plan.each().filter(|one| !one.value.has(EndpointFlags::OFF)) {
        let own = match &planned.namespace {
            _ if planned.value.has(EndpointFlags::HOST) => guarded,
            Some(namespace) => namespace.number().unwrap_or(guarded),
            None => behind
                .get(&planned.ifindex)
                .copied()
                .unwrap_or(GuardedKey::ANYWHERE),
        };
        let value = Guarded {
            endpoint: planned.value.id,
        };
        for address in planned.addresses.iter() {
            let address: Address = address_of(*address);
            for namespace in [guarded, own] {
                wanted.insert(GuardedKey { namespace, address }, value);
            }
        }
    }
    wanted
}
