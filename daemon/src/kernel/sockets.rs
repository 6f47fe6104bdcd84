//! The programs that tell whose socket it is: on a control group, and the table they fill.
//!
//! Their links are pinned: what opens a socket while no daemon runs is known to the next one. They
//! are put on anew at every start, the new ones before the old ones go; running twice for a moment
//! does no harm, since they only write down.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    path::{Path, PathBuf},
};

use aya::{
    maps::{HashMap, MapData, MapError, PerCpuArray},
    programs::{
        CgroupAttachMode, CgroupSock, CgroupSockAddr, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};
use flowd_abi::{Socket, SocketCount};
use rustix::fs::statfs;
use thiserror::Error;

use super::{bpffs::Pins, object::Kernel};

/// Magic number of a cgroup2 file system (`CGROUP2_SUPER_MAGIC`, linux/magic.h).
const CGROUP2_MAGIC: i64 = 0x6367_7270;
/// What the pins of these links are called, before the program's name.
const PREFIX: &str = "socket-";

/// Programs about socket calls.
const CALLS: [&str; 3] = ["socket_opened", "socket_bound4", "socket_bound6"];
/// Programs about calls with an address.
const ADDRESSES: [&str; 6] = [
    "socket_connected4",
    "socket_connected6",
    "socket_sent4",
    "socket_sent6",
    "socket_accepted4",
    "socket_accepted6",
];

/// Why sockets cannot be watched.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The control group cannot be used.
    #[error("control group {}: {source}", path.display())]
    Group {
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is no control group of version 2.
    #[error(
        "{} is no control group of version 2: name one with processes.cgroup, or turn it off there",
        path.display()
    )]
    NotVersion2 {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel refused a program.
    #[error("program {name}: {source}")]
    Program {
        /// Its name.
        name: &'static str,
        /// What the kernel said.
        source: ProgramError,
    },
    /// A link could not be pinned.
    #[error("link {}: {source}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A map cannot be used.
    #[error("socket table: {0}")]
    Map(#[from] MapError),
}

/// The root of the control groups of version 2, where there is one.
pub fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    })
}

/// Whether a directory is a control group of version 2.
pub fn is_group(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.f_type == CGROUP2_MAGIC)
}

/// Puts the programs on a control group. Their links outlive the daemon.
///
/// # Errors
///
/// When the directory is no control group, or the kernel refuses.
pub fn attach(kernel: &mut Kernel, group: &Path, pins: &Pins) -> Result<(), SocketError> {
    let failed = |source| SocketError::Group {
        path: group.to_owned(),
        source,
    };
    let directory = File::open(group).map_err(failed)?;
    if !is_group(group) {
        return Err(SocketError::NotVersion2 {
            path: group.to_owned(),
        });
    }
    load(kernel)?;
    for name in CALLS {
        let link = sock_link(kernel, name, &directory);
        pin(pins, name, link)?;
    }
    for name in ADDRESSES {
        let link = address_link(kernel, name, &directory);
        pin(pins, name, link)?;
    }
    Ok(())
}

/// Loads the programs, which says whether this kernel takes them.
///
/// # Errors
///
/// When it does not.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an enum of aya's: every other kind of program is the same mistake"
)]
pub fn load(kernel: &mut Kernel) -> Result<(), SocketError> {
    for name in names() {
        let loaded = match kernel.any_program(name) {
            Program::CgroupSock(program) => program.load(),
            Program::CgroupSockAddr(program) => program.load(),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        loaded.map_err(|source| SocketError::Program { name, source })?;
    }
    Ok(())
}

/// Nanoseconds each program has run, while the kernel keeps such statistics.
///
/// # Errors
///
/// When the kernel does not tell.
pub fn run_times(kernel: &mut Kernel) -> io::Result<Vec<(&'static str, u64)>> {
    let time = |name| {
        let program = kernel.any_program(name);
        let fd = program.fd().map_err(io::Error::other)?.as_fd().as_raw_fd();
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        let time = text
            .lines()
            .find_map(|line| line.strip_prefix("run_time_ns:"));
        let time: Option<u64> = time.and_then(|time| time.trim().parse().ok());
        time.map(|time| (name, time))
            .ok_or_else(|| io::Error::other("the kernel keeps no run times"))
    };
    names().map(time).collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    CALLS.into_iter().chain(ADDRESSES)
}

/// Takes them off; what is not there is off already.
///
/// # Errors
///
/// When a pin cannot be removed.
pub fn detach(pins: &Pins) -> io::Result<()> {
    for name in names() {
        gone_is_fine(fs::remove_file(path(pins, name)))?;
    }
    for map in ["SOCKETS", "COOKIES", "SOCKET_COUNTS"] {
        gone_is_fine(fs::remove_file(pins.map(map)))?;
    }
    Ok(())
}

fn path(pins: &Pins, name: &str) -> PathBuf {
    pins.links().join(format!("{PREFIX}{name}"))
}

fn sock_link(kernel: &mut Kernel, name: &str, group: &File) -> Result<FdLink, ProgramError> {
    let program: &mut CgroupSock = kernel.any_program(name).try_into()?;
    let id = program.attach(group, CgroupAttachMode::Single)?;
    owned(program.take_link(id)?.try_into())
}

fn address_link(kernel: &mut Kernel, name: &str, group: &File) -> Result<FdLink, ProgramError> {
    let program: &mut CgroupSockAddr = kernel.any_program(name).try_into()?;
    let id = program.attach(group, CgroupAttachMode::Single)?;
    owned(program.take_link(id)?.try_into())
}

fn owned(link: Result<FdLink, LinkError>) -> Result<FdLink, ProgramError> {
    link.map_err(|error| ProgramError::IOError(io::Error::other(error)))
}

/// Pins a new link in the place of the old one, which goes only then.
fn pin(
    pins: &Pins,
    name: &'static str,
    link: Result<FdLink, ProgramError>,
) -> Result<(), SocketError> {
    let link = link.map_err(|source| SocketError::Program { name, source })?;
    let path = path(pins, name);
    let failed = |source| SocketError::Pin {
        path: path.clone(),
        source,
    };
    // A bpffs takes no dots.
    let beside = self::path(pins, &format!("{name}-new"));
    gone_is_fine(fs::remove_file(&beside)).map_err(failed)?;
    link.pin(&beside)
        .map_err(|error| failed(io::Error::other(error)))?;
    gone_is_fine(fs::remove_file(&path)).map_err(failed)?;
    fs::rename(&beside, &path).map_err(failed)
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The table of sockets.
#[derive(Debug)]
pub struct SocketTable {
    sockets: HashMap<MapData, u64, Socket>,
}

impl SocketTable {
    /// Takes the table out of a loaded object.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel) -> Result<Self, MapError> {
        Ok(Self {
            sockets: HashMap::try_from(kernel.take_map("SOCKETS"))?,
        })
    }
}

impl crate::enrich::process::Sockets for SocketTable {
    /// Nothing where the kernel refuses to say.
    fn socket(&self, cookie: u64) -> Option<Socket> {
        self.sockets.get(&cookie, 0).ok()
    }
}

/// What became of the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// Put into the table since it was made.
    pub added: u64,
    /// Of those, let go of, the least recently used first, because it was full.
    pub evicted: u64,
    /// Refused by the table.
    pub refused: u64,
}

/// Reader of `SOCKET_COUNTS`.
pub struct SocketCounter {
    map: PerCpuArray<MapData, u64>,
    capacity: u64,
}

impl SocketCounter {
    /// Takes the counts out of a loaded object whose table holds `capacity` sockets.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel, capacity: u32) -> Result<Self, MapError> {
        Ok(Self {
            map: PerCpuArray::try_from(kernel.take_map("SOCKET_COUNTS"))?,
            capacity: u64::from(capacity),
        })
    }

    /// The sums over all CPUs. Nothing is ever removed from the table, so what it cannot hold has
    /// gone.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn read(&self) -> Result<SocketCounts, MapError> {
        let sum = |count: SocketCount| -> Result<u64, MapError> {
            Ok(self.map.get(&(count as u32), 0)?.iter().sum())
        };
        let added = sum(SocketCount::Added)?;
        Ok(SocketCounts {
            added,
            evicted: added.saturating_sub(self.capacity),
            refused: sum(SocketCount::Refused)?,
        })
    }
}
