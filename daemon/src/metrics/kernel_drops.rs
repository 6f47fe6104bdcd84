//! What the kernel dropped by itself, as its own counters have it.

use super::family::{Family, number};
use crate::kernel::reasons;
use crate::serve::status::Status;

/// The families. By workload there is `flowd_kernel_drop_packets_total`, which flows move.
pub(super) fn families(status: &Status) -> Vec<Family> {
    let drops = &status.kernel_drops;
    let mut by_reason = Family::counter(
        "flowd_kernel_drops_total",
        "Packets of workloads that the kernel dropped, by its own reason.",
    );
    for (reason, count) in &drops.counts.reasons {
        by_reason.push(&[("reason", &reasons::name(*reason))], number(*count));
    }
    let counts = &drops.counts;
    vec![
        by_reason,
        Family::gauge(
            "flowd_kernel_drops_watched",
            "Whether drops of the kernel are watched.",
        )
        .with(&[], number(drops.watched.into())),
        Family::gauge(
            "flowd_kernel_drop_flows",
            "Flows that lose packets in the kernel, remembered to be told as one.",
        )
        .with(&[], number(drops.flows)),
        Family::counter(
            "flowd_kernel_freed_total",
            "Packets freed as dropped that are told by no drop of the kernel, by why not.",
        )
        .with(&[("why", "ours")], number(counts.ours))
        .with(&[("why", "no_loss")], number(counts.no_loss))
        .with(&[("why", "elsewhere")], number(counts.elsewhere))
        .with(&[("why", "missed")], number(drops.missed)),
    ]
}
