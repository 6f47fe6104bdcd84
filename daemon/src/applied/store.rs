//! The files of policies that came through the API.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use flowd_policy::{Diagnostic, read};
use thiserror::Error;

use super::{
    document::{self, Document},
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

    /// Checks a text without applying it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn check(text: &str) -> Result<Change, StoreError> {
        let documents = document::take_apart(text).map_err(StoreError::Invalid)?;
        Ok(summary(&documents))
    }

    /// Puts the objects of a text in force. `elsewhere` are the objects of other sources, whose
    /// names are taken; `now` is Unix time in seconds; `confirm` the seconds the change may wait for
    /// its confirmation, 0 for a change that stays.
    ///
    /// # Errors
    ///
    /// When the text is invalid, a name is taken, another change waits, or a file cannot be written.
    pub fn apply(
        &self,
        text: &str,
        elsewhere: &[String],
        now: u64,
        confirm: u32,
    ) -> Result<Change, StoreError> {
        let documents = document::take_apart(text).map_err(StoreError::Invalid)?;
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.refuse_what_cannot_be(&documents, elsewhere, confirm)?;
        let known = self.files().map_err(|source| self.failed(source))?;
        if known.len() + documents.len() > MAX_OBJECTS {
            return Err(StoreError::Refused(format!(
                "more than {MAX_OBJECTS} applied objects"
            )));
        }
        let mut change = summary(&documents);
        let writes: BTreeMap<String, Option<String>> = documents
            .iter()
            .map(|document| (file_of(&known, document), Some(document.text.clone())))
            .collect();
        if confirm > 0 {
            change.pending = Some(Pending {
                confirmation: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
                undone_at: now + u64::from(confirm),
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
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Takes one object out of force.
    ///
    /// # Errors
    ///
    /// When there is none of that name, more than one, or it shares its document with others.
    pub fn delete(&self, name: &str) -> Result<Change, StoreError> {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self.files().map_err(|source| self.failed(source))?;
        let matches: Vec<(&String, &String)> = files
            .iter()
            .flat_map(|(file, kept)| kept.objects.iter().map(move |object| (file, object)))
            .filter(|(_, object)| names(object, name))
            .collect();
        let (file, object) = match matches.as_slice() {
            [one] => *one,
            [] => {
                return Err(StoreError::NotFound(format!(
                    "no applied policy is called {name}"
                )));
            }
            several => {
                let all: Vec<&str> = several.iter().map(|(_, object)| object.as_str()).collect();
                return Err(StoreError::Refused(format!(
                    "{name} could be {}",
                    all.join(" or ")
                )));
            }
        };
        if files[file].objects.len() > 1 {
            return Err(StoreError::Refused(format!(
                "{object} is one of a list of {}; apply the list without it",
                files[file].objects.len()
            )));
        }
        fs::remove_file(self.directory.join(file)).map_err(|source| self.failed(source))?;
        Ok(Change {
            objects: vec![object.clone()],
            ..Change::default()
        })
    }

    /// The text of an object that came through the API.
    pub fn text_of(&self, object: &str) -> Option<String> {
        let files = self.files().ok()?;
        files
            .into_values()
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
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pending) = self
            .pending_locked()?
            .filter(|pending| pending.undone_at <= now)
        else {
            return Ok(None);
        };
        self.write(&pending.before)
            .map_err(|source| self.failed(source))?;
        Pending::forget(&self.directory).map_err(|source| self.failed(source))?;
        Ok(Some(pending))
    }

    fn pending_locked(&self) -> Result<Option<Pending>, StoreError> {
        Pending::load(&self.directory).map_err(|source| self.failed(source))
    }

    fn refuse_what_cannot_be(
        &self,
        documents: &[Document],
        elsewhere: &[String],
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
        let mut objects = documents.iter().flat_map(|document| &document.objects);
        if let Some(taken) = objects.find(|object| elsewhere.contains(object)) {
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
    fn commit(
        &self,
        writes: &BTreeMap<String, Option<String>>,
        pending: Option<&Pending>,
    ) -> Result<(), StoreError> {
        if let Some(pending) = pending {
            pending
                .save(&self.directory)
                .map_err(|source| self.failed(source))?;
        }
        let before: BTreeMap<String, Option<String>> = writes
            .keys()
            .map(|name| {
                (
                    name.clone(),
                    fs::read_to_string(self.directory.join(name)).ok(),
                )
            })
            .collect();
        if let Err(source) = self.write(writes) {
            let undone = self
                .write(&before)
                .and_then(|()| Pending::forget(&self.directory));
            if let Err(error) = undone {
                tracing::error!(%error, "a change that failed could not be undone as a whole");
            }
            return Err(self.failed(source));
        }
        Ok(())
    }

    fn write(&self, files: &BTreeMap<String, Option<String>>) -> io::Result<()> {
        for (name, text) in files {
            let path = self.directory.join(name);
            match text {
                Some(text) => {
                    let new = path.with_extension("new");
                    fs::write(&new, text)?;
                    fs::rename(new, path)?;
                }
                None => match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn files(&self) -> io::Result<BTreeMap<String, Kept>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let yaml = path
                .extension()
                .is_some_and(|extension| extension == "yaml");
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !yaml {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let objects = read(name, &text).map(|contents| document::names(&contents));
            let objects = objects.unwrap_or_default();
            files.insert(name.to_owned(), Kept { text, objects });
        }
        Ok(files)
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io {
            path: self.directory.to_path_buf(),
            source,
        }
    }
}

/// One file of the store.
struct Kept {
    text: String,
    objects: Vec<String>,
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

/// The file that holds the first object of a document already, or one named after it.
fn file_of(known: &BTreeMap<String, Kept>, document: &Document) -> String {
    let first = document.objects.first().map_or("", String::as_str);
    let holder = known
        .iter()
        .find(|(_, kept)| kept.objects.iter().any(|object| object == first));
    holder.map_or_else(
        || format!("{}.yaml", first.replace('/', ".")),
        |(name, _)| name.clone(),
    )
}

/// Whether `name` names an object: in full, or without its kind, or without its namespace too.
fn names(object: &str, name: &str) -> bool {
    object == name || object.ends_with(&format!("/{name}"))
}
