//! A named network namespace: created empty, entered by threads and commands, removed when the last user goes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use rustix::mount::{UnmountFlags, unmount};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::ip;

/// Where iproute2 keeps names of namespaces.
pub(crate) const NAMES: &str = "/run/netns";
/// Set for every process started in a testbed, to the name of its namespace: how the sweep finds orphans.
pub(crate) const MARK: &str = "FLOWD_TESTBED";

/// A network namespace of our own. Clones are the same namespace; the last one dropped removes it.
#[derive(Clone, Debug)]
pub struct Namespace {
    inner: Arc<Named>,
}

#[derive(Debug)]
struct Named {
    name: String,
    path: PathBuf,
}

impl Namespace {
    /// Creates the namespace `name`.
    pub(crate) fn create(name: &str) -> Result<Self> {
        ip::batch(None, &[format!("netns add {name}")])?;
        Ok(Self::adopt(name))
    }

    /// Takes ownership of a namespace a batch has just created.
    pub(crate) fn adopt(name: &str) -> Self {
        let path = Path::new(NAMES).join(name);
        Self {
            inner: Arc::new(Named {
                name: name.to_owned(),
                path,
            }),
        }
    }

    /// The name `ip netns` lists.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `work` inside, on an operating-system thread of its own, and waits for it.
    ///
    /// Sockets opened by `work` stay in the namespace wherever they are used later. A panic in `work` goes on
    /// in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let entrance = File::open(&self.inner.path).map_err(|error| {
            io::Error::new(error.kind(), format!("namespace {}: {error}", self.name()))
        })?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(entrance.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A command that will run inside. The process it starts is the program itself, not a wrapper, so its
    /// process id may be signalled. It has a process group of its own: Ctrl-C is for its owner to handle.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.inner.path.display()))
            .arg("--")
            .arg(program);
        command.env(MARK, self.name()).process_group(0);
        command
    }

    /// Sets a network sysctl of this namespace, for example `net/ipv4/ip_forward`.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        self.run(|| {
            settings.iter().try_for_each(|(key, value)| {
                let file = format!("/proc/sys/{key}");
                std::fs::write(file, value)
                    .map_err(|error| io::Error::new(error.kind(), format!("sysctl {key}: {error}")))
            })
        })?
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        forget_name(&self.path);
    }
}

/// Takes away the name; the namespace goes with its last thread and socket. Errors mean it is gone already.
pub(crate) fn forget_name(path: &Path) {
    let _ = unmount(path, UnmountFlags::DETACH);
    let _ = std::fs::remove_file(path);
}
