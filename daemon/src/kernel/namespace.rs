//! Doing something inside a network namespace.

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::Path,
    sync::Arc,
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace: the daemon's own, or one named by a path; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespace(Option<Arc<Path>>);

impl Namespace {
    /// The daemon's own.
    pub const fn own() -> Self {
        Self(None)
    }

    /// The one at a path such as `/run/netns/NAME` or `/proc/PID/ns/net`; a bare name is looked up
    /// under `/run/netns`.
    pub fn at(path: &Path) -> Self {
        if path.components().count() == 1 && !path.is_absolute() {
            return Self(Some(Path::new("/run/netns").join(path).into()));
        }
        Self(Some(path.into()))
    }

    /// The number the kernel knows it by: the inode of its file.
    ///
    /// # Errors
    ///
    /// When it is gone or may not be looked at.
    pub fn number(&self) -> io::Result<u32> {
        let path = self.0.as_deref();
        let path = path.unwrap_or_else(|| Path::new("/proc/thread-self/ns/net"));
        let inode = std::fs::metadata(path)?.ino();
        u32::try_from(inode)
            .map_err(|_| io::Error::other(format!("{} is no network namespace", path.display())))
    }

    /// Runs a task inside, on a thread of its own: a thread that has left its namespace must not
    /// go back to a pool.
    ///
    /// # Errors
    ///
    /// When the namespace is gone or may not be entered.
    pub fn run<T: Send>(&self, task: impl FnOnce() -> T + Send) -> io::Result<T> {
        let Some(path) = &self.0 else {
            return Ok(task());
        };
        let entered = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("network namespace {}: {error}", path.display()),
            )
        };
        let file = File::open(path).map_err(entered)?;
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                        .map_err(|error| entered(error.into()))?;
                    Ok(task())
                })
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a task in a network namespace panicked")))
        })
    }
}
