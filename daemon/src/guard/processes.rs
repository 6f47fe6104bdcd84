//! Watching the sockets of processes: on, off, or on as far as this kernel can.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    config::{Processes, Watched},
    enrich::{OwnerCounts, Owners},
    kernel::{
        Kernel,
        bpffs::Pins,
        sockets::{self, SocketCounter, SocketError, SocketTable},
    },
};

/// The owners of sockets, as far as sockets are watched.
pub struct Watching {
    /// For the events of the rings.
    pub events: Owners,
    /// For the entries of the kernel's tables.
    pub entries: Owners,
    /// What the table of sockets sheds.
    pub counter: Option<SocketCounter>,
}

impl Watching {
    fn nobody() -> Self {
        Self {
            events: Owners::nobody(),
            entries: Owners::nobody(),
            counter: None,
        }
    }
}

/// Puts the socket programs on the control group that is to be watched, or takes an earlier
/// daemon's off.
///
/// # Errors
///
/// When a control group that was named cannot be watched. What nobody asked for by name is done
/// without, and the log says why.
pub fn watch(
    kernel: &Arc<Mutex<Kernel>>,
    processes: &Processes,
    pins: &Pins,
    counts: &Arc<OwnerCounts>,
) -> Result<Watching, SocketError> {
    let mut kernel = kernel.lock().unwrap_or_else(PoisonError::into_inner);
    match begin(&mut kernel, processes, pins, counts) {
        Err(error) if processes.watched == Watched::Everybody => {
            tracing::warn!(%error, "flows will not name their processes");
            let _ = sockets::detach(pins);
            Ok(Watching::nobody())
        }
        other => other,
    }
}

fn begin(
    kernel: &mut Kernel,
    processes: &Processes,
    pins: &Pins,
    counts: &Arc<OwnerCounts>,
) -> Result<Watching, SocketError> {
    let Some(group) = processes.group() else {
        sockets::detach(pins).map_err(|source| SocketError::Pin {
            path: pins.links(),
            source,
        })?;
        return Ok(Watching::nobody());
    };
    sockets::attach(kernel, &group, pins)?;
    let counter = SocketCounter::take(kernel, processes.sockets)?;
    let table = Arc::new(SocketTable::take(kernel)?);
    tracing::info!(cgroup = %group.display(), "flows name the processes of this control group");
    Ok(Watching {
        events: Owners::of(Arc::clone(&table), Arc::clone(counts)),
        // Who asks for an aggregate must not count as an event.
        entries: Owners::of(table, Arc::default()),
        counter: Some(counter),
    })
}
