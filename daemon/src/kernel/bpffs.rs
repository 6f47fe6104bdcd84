//! Where the kernel objects are pinned: a directory on a bpffs, one sub-directory for each ABI
//! version.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock, statfs},
    mount::{MountFlags, mount},
};
use thiserror::Error;

/// Magic number of a bpffs (`BPF_FS_MAGIC`, linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Why a pin directory cannot be used.
#[derive(Debug, Error)]
pub enum BpffsError {
    /// The directory cannot be made or read.
    #[error("pin directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no bpffs and none could be mounted there.
    #[error(
        "{} is not on a bpffs and mounting one failed: {source}; run `mount -t bpf bpf {}` or \
         choose another directory with --bpffs", path.display(), path.display()
    )]
    Mount {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Pins of another version are there.
    #[error(
        "{} holds the pins of another version of flowd ({}): run that version's `flowd detach`, or \
         this one's, and start again", path.display(), versions.join(", ")
    )]
    OtherVersion {
        /// The directory.
        path: PathBuf,
        /// Names of the other versions' directories.
        versions: Vec<String>,
    },
    /// Another daemon has it.
    #[error(
        "another flowd uses {}: stop it, or give this one a directory of its own with --bpffs",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// Paths of the pins under one bpffs directory.
#[derive(Clone, Debug)]
pub struct Pins {
    root: PathBuf,
}

impl Pins {
    /// The pins under `directory`, which is made if need be, and on which a bpffs is mounted if it
    /// is not on one.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made, or no bpffs can be mounted.
    pub fn open(directory: &Path) -> Result<Self, BpffsError> {
        let failed = |source| BpffsError::Directory {
            path: directory.to_owned(),
            source,
        };
        if !on_bpffs(directory) {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        if !on_bpffs(directory) {
            mount("bpf", directory, "bpf", MountFlags::empty(), None).map_err(|error| {
                BpffsError::Mount {
                    path: directory.to_owned(),
                    source: error.into(),
                }
            })?;
        }
        let pins = Self::at(directory);
        let others = versions(directory)
            .map_err(failed)?
            .into_iter()
            .filter(|name| directory.join(name) != pins.root)
            .collect::<Vec<_>>();
        if !others.is_empty() {
            return Err(BpffsError::OtherVersion {
                path: directory.to_owned(),
                versions: others,
            });
        }
        for path in [pins.maps(), pins.links()] {
            fs::create_dir_all(&path).map_err(|source| BpffsError::Directory { path, source })?;
        }
        Ok(pins)
    }

    /// The pins under `directory`, without touching it.
    pub fn at(directory: &Path) -> Self {
        Self {
            root: directory.join(format!("v{}", flowd_abi::ABI_VERSION)),
        }
    }

    /// The pins of every version under `directory`; none when it does not exist.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read: what is pinned there is not known then.
    pub fn every_version(directory: &Path) -> Result<Vec<Self>, BpffsError> {
        let names = versions(directory).map_err(|source| BpffsError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let pins = names.into_iter().map(|name| Self {
            root: directory.join(name),
        });
        Ok(pins.collect())
    }

    /// Directory of the maps.
    pub fn maps(&self) -> PathBuf {
        self.root.join("maps")
    }

    /// Path of one map.
    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    /// Directory of the links.
    pub fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// Removes every pin: the kernel lets go of what nothing else holds.
    ///
    /// # Errors
    ///
    /// When a pin cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Names of the directories that hold one version's pins.
fn versions(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let names = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.strip_prefix('v')
                .is_some_and(|number| number.parse::<u32>().is_ok())
        });
    Ok(names.collect())
}

/// Held while a daemon runs: one daemon for each bpffs directory.
///
/// A bpffs takes no lock files, so the lock is on the directory itself.
#[derive(Debug)]
pub struct Lock {
    _directory: fs::File,
}

impl Lock {
    /// Takes the lock of `directory`.
    ///
    /// # Errors
    ///
    /// [`BpffsError::InUse`] when another daemon has it.
    pub fn take(directory: &Path) -> Result<Self, BpffsError> {
        let file = fs::File::open(directory).map_err(|source| BpffsError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| BpffsError::InUse {
            path: directory.to_owned(),
        })?;
        Ok(Self { _directory: file })
    }
}

/// Whether a path is on a bpffs.
pub fn on_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.f_type == BPF_FS_MAGIC)
}
