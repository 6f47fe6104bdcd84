//! A control group of the test's own, so that flowd watches the test's processes and no others.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use flowd_testbed::Namespace;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A control group; goes with the value, once its processes have ended.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn new() -> Self {
        let root = flowd::kernel::sockets::root().expect("control groups of version 2");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("flowd-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a control group");
        Self(path)
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.0
    }

    /// A command that will run inside a namespace and this group, under one process id.
    pub(crate) fn command(&self, namespace: &Namespace, line: &[&str]) -> Command {
        let mut command = namespace.command("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(&self.0)
            .args(line);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group with processes stays, and they are some other part's to end.
        let _ = fs::remove_dir(&self.0);
    }
}
