//! A change that undoes itself unless it is confirmed, also over a restart.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A change that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What it is confirmed by.
    pub confirmation: String,
    /// Unix seconds at which it is undone.
    pub undone_at: u64,
    /// The objects it put in force.
    pub objects: Vec<String>,
    /// What the files it touched held before; `None`: they were not there.
    pub before: BTreeMap<String, Option<String>>,
}

impl Pending {
    /// The change that waits, if one does.
    ///
    /// # Errors
    ///
    /// When its record cannot be read: then nobody knows what to undo.
    pub(super) fn load(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(path(directory)) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Written before the change is made: a daemon that dies in between undoes what was done.
    pub(super) fn save(&self, directory: &Path) -> io::Result<()> {
        let path = path(directory);
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(self).map_err(io::Error::other)?)?;
        fs::rename(new, path)
    }

    /// Forgets the change: it stays, or it has been undone.
    pub(super) fn forget(directory: &Path) -> io::Result<()> {
        match fs::remove_file(path(directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Hidden from the reader of policies, which reads no file that starts with a dot.
fn path(directory: &Path) -> PathBuf {
    directory.join(".pending.json")
}
