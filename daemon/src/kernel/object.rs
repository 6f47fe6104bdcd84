//! The eBPF object: loaded with the configured sizes, its maps pinned or adopted.

use aya::{
    Ebpf, EbpfLoader,
    maps::MapInfo,
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use thiserror::Error;

use super::{
    bpffs::Pins,
    btf::{Btf, BtfError},
    kernel_drops::Layout,
};

/// The object the build made from `ebpf/`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("FLOWD_EBPF_OBJECT"));

/// Bytes of the ring of what the kernel drops, at most: close to 7000 events.
const KERNEL_RING_BYTES: u32 = 1024 * 1024;

/// Entries of the tables and bytes of the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Guarded devices.
    pub endpoints: u32,
    /// Addresses and prefixes.
    pub peers: u32,
    /// Policy entries of all policies together.
    pub policy: u32,
    /// Connections.
    pub connections: u32,
    /// Denied flows.
    pub denied: u32,
    /// Fragmented datagrams.
    pub fragments: u32,
    /// Bytes of each ring; a power of two, at least a page.
    pub ring_bytes: u32,
    /// Sockets whose process is remembered; 0: none, and nothing of it outlives the daemon.
    pub sockets: u32,
    /// Flows that lose packets in the kernel; 0: none are watched, and nothing of it outlives the
    /// daemon.
    pub kernel_drops: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            endpoints: 4096,
            peers: 131_072,
            policy: 1_048_576,
            connections: 262_144,
            denied: 65_536,
            fragments: 8192,
            ring_bytes: 8 * 1024 * 1024,
            sockets: 0,
            kernel_drops: 0,
        }
    }
}

impl Sizes {
    /// The maps that outlive the daemon, with the entries configured for those that have a choice.
    /// `SCRATCH` holds nothing between two packets.
    const fn by_map(&self) -> [(&'static str, Option<u32>); 10] {
        [
            ("ENDPOINTS", Some(self.endpoints)),
            ("PEERS", Some(self.peers)),
            ("POLICY", Some(self.policy)),
            ("CONNECTIONS", Some(self.connections)),
            ("DENIED", Some(self.denied)),
            ("FRAGMENTS", Some(self.fragments)),
            ("COUNTERS", None),
            ("EVENTS", Some(self.ring_bytes)),
            ("DROPS", Some(self.ring_bytes)),
            ("DROPPED", None),
        ]
    }

    /// The maps about sockets, where there are any.
    fn of_sockets(&self) -> impl Iterator<Item = (&'static str, Option<u32>)> {
        let maps = [
            ("SOCKETS", Some(self.sockets)),
            ("COOKIES", None),
            ("SOCKET_COUNTS", None),
        ];
        maps.into_iter().filter(|_| self.sockets > 0)
    }
}

impl Sizes {
    /// The maps about what the kernel drops, where that is watched.
    fn of_kernel_drops(&self) -> impl Iterator<Item = (&'static str, Option<u32>)> {
        let maps = [
            // Each version of IP, in the workload's namespace and in the guarded one.
            ("GUARDED", Some(self.endpoints.saturating_mul(4))),
            ("KERNEL_DROPS", Some(self.kernel_drops)),
            ("KERNEL_RING", Some(self.ring_bytes.min(KERNEL_RING_BYTES))),
            ("REASON_COUNTS", None),
            ("FREED_COUNTS", None),
        ];
        maps.into_iter().filter(|_| self.kernel_drops > 0)
    }
}

/// An adopted map keeps its size: it holds what must not be lost.
fn warn_of_another_size(pins: &Pins, name: &str, wanted: Option<u32>) {
    let held = MapInfo::from_pin(pins.map(name)).map(|info| info.max_entries());
    if let (Ok(held), Some(wanted)) = (held, wanted)
        && held != wanted
    {
        tracing::warn!(
            map = name,
            held,
            wanted,
            "the table keeps the size it has; `flowd detach` and a new start change it"
        );
    }
}

/// Seconds without a packet after which something is over; the order of the programs' `TIMEOUTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, opened but not answered.
    pub tcp_new: u32,
    /// TCP, answered.
    pub tcp_established: u32,
    /// TCP, closing, closed or reset.
    pub tcp_closing: u32,
    /// UDP, SCTP and protocols without ports.
    pub other: u32,
    /// ICMP.
    pub icmp: u32,
    /// A denied flow.
    pub denied: u32,
    /// The head of a fragmented datagram.
    pub fragment: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_new: 60,
            tcp_established: 8000,
            tcp_closing: 10,
            other: 60,
            icmp: 30,
            denied: 60,
            fragment: 30,
        }
    }
}

impl Timeouts {
    fn nanoseconds(&self) -> [u64; 7] {
        [
            self.tcp_new,
            self.tcp_established,
            self.tcp_closing,
            self.other,
            self.icmp,
            self.denied,
            self.fragment,
        ]
        .map(|seconds| u64::from(seconds) * 1_000_000_000)
    }
}

/// Where a task keeps its leader and its start; zeros where the kernel does not say, which leaves
/// the start of a process unknown.
fn task_offsets() -> [u64; 2] {
    let read = || {
        let btf = Btf::of_kernel()?;
        let leader = btf.offset("task_struct", "group_leader")?;
        Ok([leader, btf.offset("task_struct", "start_boottime")?])
    };
    read().unwrap_or_else(|error: BtfError| {
        tracing::info!(%error, "the start of a process is compared by its second-best clock");
        [0; 2]
    })
}

/// Why the kernel side could not be set up.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The object could not be loaded.
    #[error(
        "loading the eBPF object failed: {0}; `flowd doctor` says what this host and this user can do"
    )]
    Load(#[from] aya::EbpfError),
    /// A program could not be loaded.
    #[error(
        "loading the eBPF program {name} failed: {source}; `flowd doctor` says what this host and \
         this user can do"
    )]
    Program {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: aya::programs::ProgramError,
    },
    /// A map could not be used.
    #[error("eBPF map {name}: {source}")]
    Map {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: aya::maps::MapError,
    },
}

/// The loaded object.
#[derive(Debug)]
pub struct Kernel {
    ebpf: Ebpf,
}

/// Names of the programs, as the kernel shows them.
pub const PROGRAMS: [&str; 7] = [
    "from_workload",
    "to_workload",
    "from_host",
    "to_host",
    "sweep_flows",
    "sweep_kernel_drops",
    "empty",
];

impl Kernel {
    /// Loads the object; its maps are those pinned under `pins` where they exist, and pinned there
    /// where they do not. Without `pins` nothing outlives the value.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the object: too old, not permitted, or the verifier objects.
    pub fn load(
        sizes: &Sizes,
        timeouts: &Timeouts,
        pins: Option<&Pins>,
    ) -> Result<Self, KernelError> {
        Self::load_for(sizes, timeouts, pins, &Layout::default())
    }

    /// The same, with what the program on the kernel's drops must know.
    ///
    /// # Errors
    ///
    /// As [`Kernel::load`].
    pub fn load_for(
        sizes: &Sizes,
        timeouts: &Timeouts,
        pins: Option<&Pins>,
        layout: &Layout,
    ) -> Result<Self, KernelError> {
        let nanoseconds = timeouts.nanoseconds();
        let mut loader = EbpfLoader::new();
        loader.override_global("TIMEOUTS", nanoseconds.as_slice(), true);
        let task = if sizes.sockets > 0 {
            task_offsets()
        } else {
            [0; 2]
        };
        loader.override_global("TASK", task.as_slice(), true);
        loader.override_global("KERNEL_FIELDS", layout.fields.as_slice(), true);
        loader.override_global("KERNEL_PLACE", layout.place.as_slice(), true);
        loader.override_global("REASON_CLASSES", layout.classes.as_slice(), true);
        let maps = sizes.by_map().into_iter().chain(sizes.of_sockets());
        for (name, size) in maps.chain(sizes.of_kernel_drops()) {
            if let Some(size) = size {
                loader.map_max_entries(name, size);
            }
            if let Some(pins) = pins {
                warn_of_another_size(pins, name, size);
                loader.map_pin_path(name, pins.map(name));
            }
        }
        let mut kernel = Self {
            ebpf: loader.load(OBJECT)?,
        };
        for name in PROGRAMS {
            kernel
                .program(name)
                .load()
                .map_err(|source| KernelError::Program { name, source })?;
        }
        Ok(kernel)
    }

    /// Any program of the object.
    ///
    /// # Panics
    ///
    /// When the object has no such program.
    pub(super) fn any_program(&mut self, name: &str) -> &mut aya::programs::Program {
        self.ebpf
            .program_mut(name)
            .expect("the object holds its own programs")
    }

    /// One of [`PROGRAMS`].
    pub fn program(&mut self, name: &str) -> &mut SchedClassifier {
        self.ebpf
            .program_mut(name)
            .and_then(|program| program.try_into().ok())
            .expect("the object holds its own programs")
    }

    /// The kernel's number of a program, where it tells.
    pub fn program_id(&mut self, name: &str) -> Option<u32> {
        Some(self.program(name).info().ok()?.id())
    }

    /// Takes a map out of the object, to be used on its own.
    ///
    /// # Panics
    ///
    /// When the object has no such map, or it was taken before.
    pub fn take_map(&mut self, name: &'static str) -> aya::maps::Map {
        self.ebpf
            .take_map(name)
            .expect("each map of the object is taken once")
    }

    /// Runs a program on a packet, `repeat` times; the return code and the mean time of a run in
    /// nanoseconds.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the run.
    pub fn test_run(
        &mut self,
        name: &str,
        packet: &[u8],
        repeat: u32,
    ) -> Result<(i32, u64), aya::programs::ProgramError> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.repeat = repeat;
        let result = self.program(name).test_run(options)?;
        Ok((
            result.return_value as i32,
            result.duration.as_nanos() as u64,
        ))
    }

    /// Instructions the verifier walked for each program, where the kernel tells.
    pub fn verified_instructions(&mut self) -> Vec<(&'static str, u32)> {
        PROGRAMS
            .iter()
            .filter_map(|name| {
                let info = self.program(name).info().ok()?;
                Some((*name, info.verified_instruction_count()?))
            })
            .collect()
    }
}
