//! The files of policies that came through the API.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flowd_policy::Diagnostic;
use thiserror::Error;

use super::{
    document::{self, Document},
    files::{self, Kept, Writes},
    pending::Pending,
};

/// Objects kept, at most.
const MAX_OBJECTS: usize = 10_000;
/// Longest time a change may wait for its confirmation, in seconds: a day.
const MAX_CONFIRM: u32 = 86_400;

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The text is no valid policy.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Diagnostic>),
    /// What is asked for cannot be done.
    #[error("{0}")]
    Refused(String),
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// A file could not be written.
    #[error("applied policies cannot be written in {}: {source}; nothing was changed", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is to be changed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The objects.
    pub text: &'a str,
    /// Whether every policy of the text is a shadow policy, whatever it says itself.
    pub shadow: bool,
    /// Seconds the change may wait for its confirmation; 0 for a change that stays.
    pub confirm: u32,
}

/// Objects of other sources, whose names are taken.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Those that are enforced.
    pub enforced: Vec<String>,
    /// Shadow policies.
    pub shadow: Vec<String>,
}

/// What a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The objects, as `Kind/namespace/name`.
    pub objects: Vec<String>,
    /// What their author should know.
    pub notes: Vec<String>,
    /// The change waits for its confirmation.
    pub pending: Option<Pending>,
}

/// The store; cheap to clone, one change at a time.
#[derive(Clone, Debug)]
pub struct Applied {
    directory: Arc<Path>,
    lock: Arc<Mutex<()>>,
}

impl Applied {
    /// The store in a directory, which is made if need be.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.into(),
            lock: Arc::new(Mutex::new(())),
        })
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps the files as they are until it is dropped: a change of several is seen as a whole.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a text without applying it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn check(wish: Wish<'_>) -> Result<Change, StoreError> {
        let documents = document::take_apart(wish.text, wish.shadow);
        let documents = documents.map_err(StoreError::Invalid)?;
        files::replacing(&BTreeMap::new(), &documents).map_err(StoreError::Refused)?;
        Ok(summary(&documents))
    }

    /// Puts the objects of a text in force, or beside what is in force. `now` is Unix time in
    /// seconds.
    ///
    /// # Errors
    ///
    /// When the text is invalid, a name is taken, another change waits, or a file cannot be written.
    pub fn apply(
        &self,
        wish: Wish<'_>,
        elsewhere: &Elsewhere,
        now: u64,
    ) -> Result<Change, StoreError> {
        let documents = document::take_apart(wish.text, wish.shadow);
        let documents = documents.map_err(StoreError::Invalid)?;
        let _held = self.hold();
        self.refuse_what_cannot_be(&documents, elsewhere, wish.confirm)?;
        let known = self.files()?;
        if known.len() + documents.len() > MAX_OBJECTS {
            return Err(StoreError::Refused(format!(
                "more than {MAX_OBJECTS} applied objects"
            )));
        }
        let writes = files::replacing(&known, &documents).map_err(StoreError::Refused)?;
        let mut change = summary(&documents);
        if wish.confirm > 0 {
            change.pending = Some(Pending {
                confirmation: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
                undone_at: now + u64::from(wish.confirm),
                objects: change.objects.clone(),
                before: writes
                    .keys()
                    .map(|name| (name.clone(), known.get(name).map(|file| file.text.clone())))
                    .collect(),
            });
        }
        self.commit(&writes, change.pending.as_ref())?;
        Ok(change)
    }

    /// Makes the change that waits stay.
    ///
    /// # Errors
    ///
    /// When none waits, or another one than was named.
    pub fn confirm(&self, confirmation: &str) -> Result<Change, StoreError> {
        let _held = self.hold();
        let pending = self.pending_locked()?.ok_or_else(|| {
            StoreError::NotFound(
                "no change waits for its confirmation; it may be undone".to_owned(),
            )
        })?;
        if !confirmation.is_empty() && confirmation != pending.confirmation {
            return Err(StoreError::NotFound(format!(
                "the change that waits is {}, not the one named",
                pending.confirmation
            )));
        }
        Pending::forget(&self.directory).map_err(|source| self.failed(source))?;
        Ok(Change {
            objects: pending.objects,
            ..Change::default()
        })
    }

    /// Takes one object out of force: the enforced one of that name, or the shadow policy where none
    /// is enforced; with `shadow` the shadow policy in any case.
    ///
    /// # Errors
    ///
    /// When there is none of that name, more than one, it shares its document with others, or a
    /// change that waits put it in force.
    pub fn delete(&self, name: &str, shadow: bool) -> Result<Change, StoreError> {
        let _held = self.hold();
        let files = self.files()?;
        let matches = |of_shadow: bool| -> Vec<(&String, &String)> {
            let files = files.iter().filter(|(_, kept)| kept.shadow == of_shadow);
            let objects = files
                .flat_map(|(file, kept)| kept.objects.iter().map(move |object| (file, object)));
            objects.filter(|(_, object)| names(object, name)).collect()
        };
        let mut found = if shadow { Vec::new() } else { matches(false) };
        if found.is_empty() {
            found = matches(true);
        }
        let (file, object) = the_one(&found, name)?;
        if files[file].objects.len() > 1 {
            return Err(StoreError::Refused(format!(
                "{object} is one of a list of {}; apply the list without it",
                files[file].objects.len()
            )));
        }
        if let Some(pending) = self.pending_locked()?
            && pending.before.contains_key(file)
        {
            return Err(StoreError::Refused(format!(
                "{object} waits for its confirmation and would come back as it was before; confirm \
                 change {} or wait until it is undone",
                pending.confirmation
            )));
        }
        fs::remove_file(self.directory.join(file)).map_err(|source| self.failed(source))?;
        Ok(Change {
            objects: vec![object.clone()],
            ..Change::default()
        })
    }

    /// The text of an object that came through the API.
    pub fn text_of(&self, object: &str, shadow: bool) -> Option<String> {
        let files = self.files().ok()?;
        let mut files = files.into_values().filter(|kept| kept.shadow == shadow);
        files
            .find(|kept| kept.objects.iter().any(|known| known == object))
            .map(|kept| kept.text)
    }

    /// The change that waits for its confirmation.
    pub fn pending(&self) -> Option<Pending> {
        Pending::load(&self.directory).ok().flatten()
    }

    /// Undoes the change that waits if its time is over; what was undone. `now` is Unix time in
    /// seconds.
    ///
    /// # Errors
    ///
    /// When a file cannot be written; the next call tries again.
    pub fn undo_overdue(&self, now: u64) -> Result<Option<Pending>, StoreError> {
        let _held = self.hold();
        let Some(pending) = self
            .pending_locked()?
            .filter(|pending| pending.undone_at <= now)
        else {
            return Ok(None);
        };
        files::write(&self.directory, &pending.before).map_err(|source| self.failed(source))?;
        Pending::forget(&self.directory).map_err(|source| self.failed(source))?;
        Ok(Some(pending))
    }

    fn pending_locked(&self) -> Result<Option<Pending>, StoreError> {
        Pending::load(&self.directory).map_err(|source| self.failed(source))
    }

    fn refuse_what_cannot_be(
        &self,
        documents: &[Document],
        elsewhere: &Elsewhere,
        confirm: u32,
    ) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Err(StoreError::Refused("the text holds no policy".to_owned()));
        }
        if confirm > MAX_CONFIRM {
            return Err(StoreError::Refused(format!(
                "a change can wait {MAX_CONFIRM} seconds for its confirmation, not {confirm}"
            )));
        }
        let taken = documents.iter().find_map(|document| {
            let elsewhere = match document.shadow {
                true => &elsewhere.shadow,
                false => &elsewhere.enforced,
            };
            let mut objects = document.objects.iter();
            objects.find(|object| elsewhere.contains(object))
        });
        if let Some(taken) = taken {
            return Err(StoreError::Refused(format!(
                "{taken} is in the policy directory; change it there"
            )));
        }
        if let Some(pending) = self.pending_locked()? {
            return Err(StoreError::Refused(format!(
                "change {} waits for its confirmation; confirm it, or wait until it is undone",
                pending.confirmation
            )));
        }
        Ok(())
    }

    /// Records what must be undone, then writes; a write that fails is undone at once.
    fn commit(&self, writes: &Writes, pending: Option<&Pending>) -> Result<(), StoreError> {
        if let Some(pending) = pending {
            pending
                .save(&self.directory)
                .map_err(|source| self.failed(source))?;
        }
        let text = |name: &String| fs::read_to_string(self.directory.join(name)).ok();
        let before: Writes = writes
            .keys()
            .map(|name| (name.clone(), text(name)))
            .collect();
        if let Err(source) = files::write(&self.directory, writes) {
            let undone = files::write(&self.directory, &before)
                .and_then(|()| Pending::forget(&self.directory));
            if let Err(error) = undone {
                tracing::error!(%error, "a change that failed could not be undone as a whole");
            }
            return Err(self.failed(source));
        }
        Ok(())
    }

    fn files(&self) -> Result<BTreeMap<String, Kept>, StoreError> {
        files::read_all(&self.directory).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io {
            path: self.directory.to_path_buf(),
            source,
        }
    }
}

/// The only match of a name.
fn the_one<'a>(
    found: &[(&'a String, &'a String)],
    name: &str,
) -> Result<(&'a String, &'a String), StoreError> {
    match found {
        [one] => Ok(*one),
        [] => Err(StoreError::NotFound(format!(
            "no applied policy is called {name}"
        ))),
        several => {
            let all: Vec<&str> = several.iter().map(|(_, object)| object.as_str()).collect();
            Err(StoreError::Refused(format!(
                "{name} could be {}",
                all.join(" or ")
            )))
        }
    }
}

fn summary(documents: &[Document]) -> Change {
    Change {
        objects: documents
            .iter()
            .flat_map(|document| document.objects.clone())
            .collect(),
        notes: documents
            .iter()
            .flat_map(|document| document.notes.clone())
            .collect(),
        pending: None,
    }
}

/// Whether `name` names an object: in full, or without its kind, or without its namespace too.
fn names(object: &str, name: &str) -> bool {
    object == name || object.ends_with(&format!("/{name}"))
}
