//! What the kernel drops by itself: the program on its tracepoint, and the tables around it.
//!
//! The link is pinned: what is dropped while no daemon runs is told by the next one. It is put on
//! anew at every start, the old one taken off first, since two would count twice; what is dropped
//! in that moment is not seen.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _},
    path::PathBuf,
};

use aya::programs::{
    ProgramError, RawTracePoint,
    links::{FdLink, LinkError},
};
use flowd_abi::{KernelField, KernelReason};
use thiserror::Error;

use super::{
    bpffs::Pins,
    btf::{Btf, BtfError},
    namespace::Namespace,
    object::Kernel,
    reasons,
};

/// The program.
const PROGRAM: &str = "kernel_drop";
/// Its tracepoint.
const TRACEPOINT: &str = "kfree_skb";
/// Arguments of the tracepoint where it names the receiving socket (Linux 6.11).
const WITH_RECEIVER: u32 = 4;
/// Maps that outlive the daemon.
pub(super) const MAPS: [&str; 5] = [
    "GUARDED",
    "KERNEL_DROPS",
    "KERNEL_RING",
    "REASON_COUNTS",
    "FREED_COUNTS",
];

/// Why drops of the kernel cannot be watched.
#[derive(Debug, Error)]
pub enum KernelDropError {
    /// The kernel does not say where it keeps what is to be read.
    #[error("{0}; reasons of drops need a kernel of 5.17 or newer with its type information (BTF)")]
    Unknown(#[from] BtfError),
    /// The guarded namespace has no number.
    #[error("the guarded network namespace: {0}")]
    Namespace(io::Error),
    /// The kernel refused the program or its tracepoint.
    #[error("tracepoint {TRACEPOINT}: {0}; it takes CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN)")]
    Program(#[from] ProgramError),
    /// The link could not be pinned, or an older one not removed.
    #[error("link {}: {source}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What the program must know of the running kernel.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub(super) fields: [u32; KernelField::LEN],
    pub(super) place: [u32; 2],
    pub(super) classes: [u8; KernelReason::COUNTED as usize],
}

impl Default for Layout {
    /// Of no kernel: the program loads and reads nothing.
    fn default() -> Self {
        Self {
            fields: [0; KernelField::LEN],
            place: [0; 2],
            classes: [0; KernelReason::COUNTED as usize],
        }
    }
}

impl Layout {
    /// That of the running kernel, with the namespace whose devices are guarded.
    ///
    /// # Errors
    ///
    /// When the kernel's type information lacks something.
    pub fn of_kernel(guarded: &Namespace) -> Result<Self, KernelDropError> {
        let btf = Btf::of_kernel()?;
        let names = reasons::names_in(&btf)?;
        let arguments = btf.tracepoint_arguments("btf_trace_kfree_skb")?;
        let number = guarded.number().map_err(KernelDropError::Namespace)?;
        Ok(Self {
            fields: fields(&btf)?,
            place: [number, u32::from(arguments >= WITH_RECEIVER)],
            classes: reasons::classes(&names),
        })
    }
}

/// The offsets, in the order of [`KernelField`].
fn fields(btf: &Btf) -> Result<[u32; KernelField::LEN], BtfError> {
    let at = |structure, member| {
        let offset = btf.offset(structure, member)?;
        // No structure of the kernel is larger than 4 GiB.
        Ok::<_, BtfError>(u32::try_from(offset).unwrap_or(u32::MAX))
    };
    let common = at("sock", "__sk_common")?;
    let namespace = at("net", "ns")?;
    Ok([
        at("sk_buff", "head")?,
        at("sk_buff", "tail")?,
        at("sk_buff", "data")?,
        at("sk_buff", "len")?,
        at("sk_buff", "protocol")?,
        at("sk_buff", "network_header")?,
        at("sk_buff", "skb_iif")?,
        at("sk_buff", "dev")?,
        at("sk_buff", "sk")?,
        common + at("sock_common", "skc_cookie")?,
        common + at("sock_common", "skc_family")?,
        common + at("sock_common", "skc_net")?,
        at("net_device", "ifindex")?,
        at("net_device", "nd_net")?,
        namespace + at("ns_common", "inum")?,
    ])
}

/// Loads the program, which says whether this kernel takes it.
///
/// # Errors
///
/// When it does not.
pub fn load(kernel: &mut Kernel) -> Result<(), KernelDropError> {
    Ok(program(kernel)?.load()?)
}

/// Puts the program on its tracepoint. The link outlives the daemon.
///
/// # Errors
///
/// When the kernel refuses.
pub fn attach(kernel: &mut Kernel, pins: &Pins) -> Result<(), KernelDropError> {
    load(kernel)?;
    let path = pin(pins);
    let failed = |source| KernelDropError::Pin {
        path: path.clone(),
        source,
    };
    gone_is_fine(fs::remove_file(&path)).map_err(failed)?;
    let program = program(kernel)?;
    let id = program.attach(TRACEPOINT)?;
    let link: Result<FdLink, LinkError> = Ok(program.take_link(id)?.into());
    let link = link.map_err(|error| failed(io::Error::other(error)))?;
    link.pin(&path)
        .map_err(|error| failed(io::Error::other(error)))?;
    Ok(())
}

/// Takes it off, with its tables; what is not there is off already.
///
/// # Errors
///
/// When a pin cannot be removed.
pub fn detach(pins: &Pins) -> Result<(), KernelDropError> {
    let maps = MAPS.map(|name| pins.map(name));
    for path in [pin(pins)].into_iter().chain(maps) {
        gone_is_fine(fs::remove_file(&path)).map_err(|source| KernelDropError::Pin {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// How often the program could not run because it was interrupted by a packet dropped meanwhile;
/// 0 where the kernel does not tell.
pub fn missed(kernel: &mut Kernel) -> u64 {
    statistic(kernel, "recursion_misses:").unwrap_or_default()
}

/// Nanoseconds the program has run, while the kernel keeps such statistics.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn run_time(kernel: &mut Kernel) -> io::Result<u64> {
    statistic(kernel, "run_time_ns:").ok_or_else(|| io::Error::other("no run time of the program"))
}

/// A number the kernel keeps of the program.
fn statistic(kernel: &mut Kernel, name: &str) -> Option<u64> {
    let fd = program(kernel).ok()?.fd().ok()?.as_fd().as_raw_fd();
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn program(kernel: &mut Kernel) -> Result<&mut RawTracePoint, ProgramError> {
    kernel.any_program(PROGRAM).try_into()
}

fn pin(pins: &Pins) -> PathBuf {
    pins.links().join(PROGRAM)
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_every_field() {
        let layout = Layout::of_kernel(&Namespace::own()).expect("a layout");
        assert!(
            layout.fields.iter().all(|offset| *offset < 4096),
            "{layout:?}"
        );
        let distinct: std::collections::BTreeSet<_> = layout.fields[..9].iter().collect();
        assert_eq!(distinct.len(), 9, "{layout:?}");
        assert_ne!(layout.place[0], 0);
        assert_ne!(layout.classes[3], 0);
    }
}
