//! Names of users, from the host's own file.

use std::{collections::HashMap, fs, path::PathBuf, time::SystemTime};

/// Users named at most: one who has more serves them from elsewhere.
const BOUND: usize = 65_536;

/// The names in a passwd(5) file; read again when somebody is missing and it has changed.
#[derive(Debug)]
pub(super) struct Users {
    file: PathBuf,
    read: Option<SystemTime>,
    names: HashMap<u32, String>,
}

impl Users {
    pub(super) fn of(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            read: None,
            names: HashMap::new(),
        }
    }

    /// The name of a user, empty for none.
    pub(super) fn name(&mut self, user: u32) -> String {
        if !self.names.contains_key(&user) {
            self.refresh();
        }
        self.names.get(&user).cloned().unwrap_or_default()
    }

    fn refresh(&mut self) {
        let changed = fs::metadata(&self.file).and_then(|data| data.modified());
        let Ok(changed) = changed else {
            return;
        };
        if self.read == Some(changed) {
            return;
        }
        self.read = Some(changed);
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        self.names = text.lines().filter_map(user).take(BOUND).collect();
    }
}

/// `name:password:uid:…`
fn user(line: &str) -> Option<(u32, String)> {
    let mut fields = line.split(':');
    let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
    Some((number.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_and_others_are_not() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("passwd");
        let mut users = Users::of(&file);
        assert_eq!(users.name(0), "");
        fs::write(
            &file,
            "root:x:0:0:root:/root:/bin/sh\n# rubbish\nweb:x:33:33::/:\n",
        )
        .unwrap();
        assert_eq!(users.name(33), "web");
        assert_eq!(users.name(0), "root");
        assert_eq!(users.name(34), "");
    }
}
