//! The section `processes`: whether and where flowd learns which process owns a connection.

use std::path::PathBuf;

use serde::Deserialize;

use crate::kernel::sockets;

/// Sockets remembered when nobody says otherwise.
const SOCKETS: u32 = 65_536;

/// The section as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProcessesSection {
    cgroup: Option<String>,
    sockets: Option<u32>,
}

/// The processes whose sockets are watched: those of a control group and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// None.
    Nobody,
    /// All of the host, where it has control groups of version 2.
    Everybody,
    /// Those of this control group.
    Group(PathBuf),
}

/// What is known of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// Whose sockets are watched.
    pub watched: Watched,
    /// Sockets remembered.
    pub sockets: u32,
}

impl Processes {
    pub(super) fn merge(flag: Option<String>, file: ProcessesSection) -> Self {
        let watched = match flag.or(file.cgroup).as_deref() {
            None | Some("auto") => Watched::Everybody,
            Some("off") => Watched::Nobody,
            Some(path) => Watched::Group(PathBuf::from(path)),
        };
        Self {
            watched,
            sockets: file.sockets.unwrap_or(SOCKETS),
        }
    }

    /// What cannot work about it.
    pub(super) fn problem(&self) -> Option<String> {
        if !(64..=16_777_216).contains(&self.sockets) {
            return Some(format!(
                "processes.sockets: {} is not between 64 and 16777216",
                self.sockets
            ));
        }
        match &self.watched {
            Watched::Group(path) if !path.is_absolute() => Some(format!(
                "processes.cgroup: {} is not auto, off or an absolute path",
                path.display()
            )),
            Watched::Nobody | Watched::Everybody | Watched::Group(_) => None,
        }
    }

    /// The directory of the watched control group, `None` for nobody.
    pub fn group(&self) -> Option<PathBuf> {
        match &self.watched {
            Watched::Nobody => None,
            Watched::Everybody => sockets::root(),
            Watched::Group(path) => Some(path.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_and_everybody_is_the_default() {
        let file = |text: &str| ProcessesSection {
            cgroup: Some(text.to_owned()),
            sockets: None,
        };
        let of = |flag: Option<&str>, file| Processes::merge(flag.map(str::to_owned), file);
        let default = of(None, ProcessesSection::default());
        assert_eq!(default.watched, Watched::Everybody);
        assert_eq!(of(Some("off"), file("/a")).watched, Watched::Nobody);
        let named = of(None, file("/a"));
        assert_eq!(named.watched, Watched::Group("/a".into()));
        assert_eq!(named.problem(), None);
        assert!(of(None, file("a")).problem().is_some());
    }
}
