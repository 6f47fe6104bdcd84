//! How a flowd is asked for: its files, its flags, and how long it may take to be ready.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::process::Flowd;
use crate::{Bpffs, Namespace, Testbed};

/// What a flowd will be started with. Made by [`Flowd::builder`].
#[derive(Debug)]
pub struct FlowdBuilder {
    node: Namespace,
    directory: PathBuf,
    binary: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    ready_within: Duration,
}

/// Everything needed to start the same flowd again.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) binary: PathBuf,
    pub(super) node: Namespace,
    pub(super) directory: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) ready_within: Duration,
}

impl FlowdBuilder {
    pub(super) fn new(testbed: &Testbed, directory: &Path) -> Self {
        Self {
            node: testbed.node().clone(),
            directory: directory.to_owned(),
            binary: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            ready_within: Duration::from_secs(20),
        }
    }

    /// Runs this program instead of the one [`binary`] finds.
    #[must_use]
    pub fn binary(mut self, program: impl Into<PathBuf>) -> Self {
        self.binary = Some(program.into());
        self
    }

    /// Adds an argument after `flowd run` and the paths.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((key.into(), value.into()));
        self
    }

    /// How long it may take until all endpoints are protected; 20 s unless told.
    #[must_use]
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// Mounts the bpffs, starts flowd and waits until its socket accepts and all endpoints are protected.
    pub fn start(self) -> Result<Flowd> {
        let mut flowd = self.prepare()?;
        flowd.launch()?;
        Ok(flowd)
    }

    /// Mounts the bpffs and makes the directories, and leaves starting to [`Flowd::launch`]; for tests of
    /// starts that fail.
    pub fn prepare(self) -> Result<Flowd> {
        let binary = match self.binary {
            Some(program) => program,
            None => binary("flowd")?,
        };
        // The daemon may have another working directory.
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("cannot create {}", self.directory.display()))?;
        let directory = fs::canonicalize(&self.directory)?;
        for part in ["state", "policies", "endpoints"] {
            fs::create_dir_all(directory.join(part))
                .with_context(|| format!("cannot create {part} in {}", directory.display()))?;
        }
        let bpffs = Bpffs::mount(directory.join("bpffs"))?;
        let plan = Plan {
            binary,
            node: self.node,
            directory,
            arguments: self.arguments,
            environment: self.environment,
            ready_within: self.ready_within,
        };
        Ok(Flowd::new(plan, bpffs))
    }
}

/// Finds the program `name` of this workspace: by `<NAME>_BIN`, or beside the running program.
pub fn binary(name: &str) -> Result<PathBuf> {
    let variable = format!("{}_BIN", name.to_uppercase());
    if let Some(path) = std::env::var_os(&variable) {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(path);
        }
        bail!("{variable} names {}, which is not a file", path.display());
    }
    let own = std::env::current_exe()?;
    // Tests run from `deps/`, programs and benches from the profile's folder.
    own.ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!(
                "no program {name} near {}: build it (`cargo build -p {name}`) or set {variable}",
                own.display()
            )
        })
}
