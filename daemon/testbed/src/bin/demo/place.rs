//! The demo's directory: a temporary one that goes, or a given one that keeps what a reader may want.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The longest path a unix socket can have.
const SOCKET_PATH: usize = 107;

/// Where the demo's files are.
#[derive(Debug)]
pub(crate) enum Place {
    /// Removed as a whole.
    Temporary(TempDir),
    /// Asked for with `DEMO_DIR`; policies, endpoint files and logs stay.
    Given(PathBuf),
}

impl Place {
    pub(crate) fn open(given: Option<&Path>) -> Result<Self> {
        let Some(path) = given else {
            let directory = tempfile::Builder::new().prefix("flowd-demo-").tempdir()?;
            return Ok(Self::Temporary(directory));
        };
        let path = std::path::absolute(path)?;
        ensure!(
            path.join("flowd.sock").as_os_str().as_bytes().len() <= SOCKET_PATH,
            "DEMO_DIR: {} is too long for a unix socket; give a shorter path",
            path.display()
        );
        fs::create_dir_all(&path)
            .with_context(|| format!("DEMO_DIR: cannot create {}", path.display()))?;
        // Endpoints of an earlier run name interfaces that are gone.
        remove(&path.join("endpoints"));
        Ok(Self::Given(path))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Given(path) => path,
        }
    }

    /// What the policy files say now, to notice an edit.
    pub(crate) fn rules(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut rules = BTreeMap::new();
        for entry in fs::read_dir(self.path().join("policies"))? {
            let path = entry?.path();
            rules.insert(path.clone(), fs::read(path)?);
        }
        Ok(rules)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Given(path) = self {
            let _ = fs::remove_file(path.join("flowd.sock"));
            remove(&path.join("state"));
            // Not emptied: if it is still a mount, the removal fails and the pins are left to their owner.
            let _ = fs::remove_dir(path.join("bpffs"));
        }
    }
}

fn remove(directory: &Path) {
    let _ = fs::remove_dir_all(directory);
}
