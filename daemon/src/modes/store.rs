//! The modes that were set through the API.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::serve::status::Mode;

/// Modes kept, at most.
const MAX_MODES: usize = 10_000;
/// Longest name, as of Kubernetes.
const MAX_NAME: usize = 253;

/// Whose mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Every endpoint of a namespace that has no mode of its own.
    Namespace(String),
    /// One endpoint, as `namespace/name`.
    Endpoint(String),
}

/// A text that names no target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is neither namespace/NAMESPACE nor endpoint/NAMESPACE/NAME")]
pub struct TargetError(String);

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(out, "namespace/{name}"),
            Self::Endpoint(name) => write!(out, "endpoint/{name}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.chars().take(64).collect());
        let good = |name: &str| !name.is_empty() && name.len() <= MAX_NAME;
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["namespace", name] if good(name) => Ok(Self::Namespace((*name).to_owned())),
            ["endpoint", namespace, name] if good(namespace) && good(name) => {
                Ok(Self::Endpoint(format!("{namespace}/{name}")))
            }
            _ => Err(wrong()),
        }
    }
}

/// All modes that were set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// By namespace.
    pub namespaces: BTreeMap<String, Mode>,
    /// By `namespace/name`.
    pub endpoints: BTreeMap<String, Mode>,
}

impl Overrides {
    fn of(&mut self, target: &Target) -> (&mut BTreeMap<String, Mode>, String) {
        match target {
            Target::Namespace(name) => (&mut self.namespaces, name.clone()),
            Target::Endpoint(name) => (&mut self.endpoints, name.clone()),
        }
    }
}

/// Why a mode was not set.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There are too many.
    #[error("more than {MAX_MODES} modes are set; clear some, or set the mode of a namespace")]
    TooMany,
    /// None was set for this target.
    #[error("no mode was set for {0}; `flowctl mode list` shows what was")]
    NotSet(Target),
    /// The file could not be read or written.
    #[error("modes cannot be kept in {}: {source}; nothing was changed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The store; cheap to clone, one change at a time.
#[derive(Clone, Debug)]
pub struct ModeStore {
    path: Arc<Path>,
    overrides: Arc<Mutex<Arc<Overrides>>>,
}

impl ModeStore {
    /// What is kept in a file, which need not be there.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is damaged: an audited workload must not be enforced because
    /// of it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let overrides = match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Overrides::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.into(),
            overrides: Arc::new(Mutex::new(Arc::new(overrides))),
        })
    }

    /// What is set now.
    pub fn snapshot(&self) -> Arc<Overrides> {
        Arc::clone(&self.overrides.lock())
    }

    /// Sets a mode; what was set before.
    ///
    /// # Errors
    ///
    /// When there are too many, or the file cannot be written.
    pub fn set(&self, target: &Target, mode: Mode) -> Result<Option<Mode>, StoreError> {
        self.change(|overrides| {
            let (modes, name) = overrides.of(target);
            let before = modes.insert(name, mode);
            if overrides.namespaces.len() + overrides.endpoints.len() > MAX_MODES {
                return Err(StoreError::TooMany);
            }
            Ok(before)
        })
    }

    /// Forgets a mode; what it was.
    ///
    /// # Errors
    ///
    /// When none was set, or the file cannot be written.
    pub fn clear(&self, target: &Target) -> Result<Mode, StoreError> {
        self.change(|overrides| {
            let (modes, name) = overrides.of(target);
            let before = modes.remove(&name);
            before.ok_or_else(|| StoreError::NotSet(target.clone()))
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Overrides) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut held = self.overrides.lock();
        let mut next = Overrides::clone(&held);
        let outcome = change(&mut next)?;
        self.save(&next).map_err(|source| StoreError::Io {
            path: self.path.to_path_buf(),
            source,
        })?;
        *held = Arc::new(next);
        Ok(outcome)
    }

    fn save(&self, overrides: &Overrides) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(overrides).map_err(io::Error::other)?)?;
        // Without it a power cut can leave an empty file under the name, and no daemon starts then.
        file.sync_all()?;
        fs::rename(new, &self.path)
    }
}
