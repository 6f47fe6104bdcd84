//! The privileges the daemon keeps. Dropped before any thread starts: they are a thread's own.

use anyhow::Context as _;
use caps::{CapSet, Capability, CapsHashSet};

/// What is needed, and what for.
pub const NEEDED: [(Capability, &str); 6] = [
    (Capability::CAP_BPF, "load programs and use tables"),
    (Capability::CAP_NET_ADMIN, "attach programs to devices"),
    (
        Capability::CAP_PERFMON,
        "let programs follow pointers into tables",
    ),
    (
        Capability::CAP_SYS_RESOURCE,
        "lock the memory of tables on old kernels",
    ),
    (
        Capability::CAP_SYS_ADMIN,
        "enter workloads' network namespaces, mount a bpffs",
    ),
    (
        Capability::CAP_SYS_PTRACE,
        "open network namespaces by a process's number (/proc/PID/ns/net)",
    ),
];

/// Without these nothing can be enforced; the others cost a feature.
pub const VITAL: [Capability; 3] = [
    Capability::CAP_BPF,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_PERFMON,
];

/// Capabilities this process lacks, with what each is needed for.
pub fn missing() -> Vec<(Capability, &'static str)> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    NEEDED
        .into_iter()
        .filter(|(capability, _)| !held.contains(capability))
        .collect()
}

/// Keeps the needed capabilities and those in `also`, and drops the rest.
///
/// # Errors
///
/// When one of [`VITAL`] is missing.
pub fn keep_needed(also: &[Capability]) -> anyhow::Result<()> {
    let missing = missing();
    let lacking: Vec<String> = missing
        .iter()
        .filter(|(capability, _)| VITAL.contains(capability))
        .map(|(capability, use_of)| format!("{capability} (to {use_of})"))
        .collect();
    anyhow::ensure!(
        lacking.is_empty(),
        "missing {}: run as root, or give the service these capabilities (see deploy/systemd)",
        lacking.join(", ")
    );
    let held = caps::read(None, CapSet::Permitted).context("cannot read the capabilities")?;
    let kept: CapsHashSet = NEEDED
        .into_iter()
        .map(|(capability, _)| capability)
        .chain(also.iter().copied())
        .filter(|capability| held.contains(capability))
        .collect();
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).context("cannot drop capabilities")?;
    }
    Ok(())
}
