//! Breaking the glass: a file in the state directory that puts every host policy out of force. It
//! is there before the daemon starts and after it is killed.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The switch.
#[derive(Clone, Debug)]
pub struct BreakGlass {
    path: PathBuf,
}

/// The glass is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Since when, Unix seconds; 0 when nobody knows.
    pub since: u64,
}

impl BreakGlass {
    /// The switch in this state directory.
    pub fn in_state(state: &Path) -> Self {
        Self {
            path: state.join("break-glass"),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the glass is broken. The file's being there is what counts, whatever it holds.
    pub fn broken(&self) -> Option<Broken> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Some(serde_json::from_str(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Broken::default()),
        }
    }

    /// Breaks the glass; broken already is as good. `now` is Unix time in seconds.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn smash(&self, now: u64) -> io::Result<()> {
        if self.broken().is_some() {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        let broken = serde_json::to_vec(&Broken { since: now }).map_err(io::Error::other)?;
        file.write_all(&broken)?;
        // It is to hold over a power cut.
        file.sync_all()?;
        fs::rename(new, &self.path)
    }

    /// Puts host policies back in force; whole already is as good.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn mend(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_glass_stays_broken_whatever_its_file_holds() {
        let state = tempfile::tempdir().expect("a directory");
        let glass = BreakGlass::in_state(state.path());
        assert_eq!(glass.broken(), None);
        glass.mend().expect("whole already");
        glass.smash(7).expect("written");
        glass.smash(9).expect("broken already");
        assert_eq!(glass.broken(), Some(Broken { since: 7 }));
        fs::write(glass.path(), "").expect("damaged");
        assert_eq!(glass.broken(), Some(Broken::default()));
        glass.mend().expect("mended");
        assert_eq!(glass.broken(), None);
    }
}
