//! A private BPF file system: pins of one test, gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A bpffs mounted at a directory, unmounted when dropped; everything pinned in it goes too.
#[derive(Debug)]
pub struct Bpffs {
    directory: PathBuf,
}

impl Bpffs {
    /// Mounts at `directory`, which is created if need be. The mount carries this process's id, so that the
    /// sweep knows whose it was.
    pub fn mount(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let source = format!("fd-{}-0-bpffs", process::id());
        mount(source, &directory, "bpf", flags, None).with_context(|| {
            format!(
                "cannot mount a bpffs at {}: this needs root",
                directory.display()
            )
        })?;
        Ok(Self { directory })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // Detached rather than plainly unmounted: a reader that still lists it must not keep the pins.
        let _ = unmount(&self.directory, UnmountFlags::DETACH);
    }
}
