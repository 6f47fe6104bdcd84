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
) -> Result<(Owners, Option<SocketCounter>), SocketError> {
    let mut kernel = kernel.lock().unwrap_or_else(PoisonError::into_inner);
    match begin(&mut kernel, processes, pins, counts) {
        Err(error) if processes.watched == Watched::Everybody => {
            tracing::warn!(%error, "flows will not name their processes");
            let _ = sockets::detach(pins);
            Ok((Owners::nobody(), None))
        }
        other => other,
    }
}

fn begin(
    kernel: &mut Kernel,
    processes: &Processes,
    pins: &Pins,
    counts: &Arc<OwnerCounts>,
) -> Result<(Owners, Option<SocketCounter>), SocketError> {
    let Some(group) = processes.group() else {
        sockets::detach(pins).map_err(|source| SocketError::Pin {
            path: pins.links(),
            source,
        })?;
        return Ok((Owners::nobody(), None));
    };
    sockets::attach(kernel, &group, pins)?;
    let counter = SocketCounter::take(kernel, processes.sockets)?;
    let owners = Owners::of(SocketTable::take(kernel)?, Arc::clone(counts));
    tracing::info!(cgroup = %group.display(), "flows name the processes of this control group");
    Ok((owners, Some(counter)))
}
