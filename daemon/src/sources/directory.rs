//! One directory of YAML files: re-read when it changes; a broken file keeps its last good state,
//! also over a restart.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use flowd_policy::Diagnostic;

use crate::serve::status::SourceError;

/// Files read from one directory, at most.
const MAX_FILES: usize = 10_000;
/// Bytes read from one file, at most.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the objects of one file: its name for findings, and its text.
pub type Parse<T> = fn(&str, &str) -> Result<Vec<T>, Vec<Diagnostic>>;

/// A directory of files, each holding objects.
#[derive(Debug)]
pub struct Source<T> {
    directory: PathBuf,
    /// Copies of the last good files.
    good: PathBuf,
    parse: Parse<T>,
    files: BTreeMap<PathBuf, File<T>>,
    problem: Option<SourceError>,
    listed: bool,
}

#[derive(Debug)]
struct File<T> {
    text: Result<Arc<str>, String>,
    objects: Vec<T>,
    /// What the objects were read from.
    good: Option<Arc<str>>,
    errors: Vec<SourceError>,
    /// It is good and there is no copy of it yet.
    uncopied: bool,
}

impl<T: Clone> Source<T> {
    /// A source of the files in `directory`; copies of good ones go to `good`.
    pub fn new(directory: PathBuf, good: PathBuf, parse: Parse<T>) -> Self {
        Self {
            directory,
            good,
            parse,
            files: BTreeMap::new(),
            problem: None,
            listed: false,
        }
    }

    /// Whether the directory was ever read. Before that, that it holds nothing is not known, and
    /// nothing may follow from it.
    pub const fn is_known(&self) -> bool {
        self.listed
    }

    /// Reads the directory again; whether anything changed.
    pub fn refresh(&mut self) -> bool {
        let paths = match list(&self.directory) {
            Ok(paths) => paths,
            Err(error) => {
                let problem = Some(whole(&self.directory, format!("cannot be read: {error}")));
                let changed = self.problem != problem;
                self.problem = problem;
                return changed;
            }
        };
        if !self.listed {
            self.listed = true;
            self.forget_copies(&paths);
        }
        let mut changed = self.problem.take().is_some();
        if paths.len() > MAX_FILES {
            let message = format!("{} files; only the first {MAX_FILES} are read", paths.len());
            self.problem = Some(whole(&self.directory, message));
        }
        let before = self.files.len();
        self.files.retain(|path, _| {
            // Sorted: a directory of ten thousand files is looked at every two seconds.
            let stays = paths.binary_search(path).is_ok();
            if !stays {
                let _ = fs::remove_file(copy_of(&self.good, path));
            }
            stays
        });
        changed |= self.files.len() != before;
        for path in paths.into_iter().take(MAX_FILES) {
            changed |= self.read(path);
        }
        changed
    }

    /// A file that went while no daemon ran is gone as well: its copy must not come back into force
    /// should there be a broken one of that name one day.
    fn forget_copies(&self, paths: &[PathBuf]) {
        let Ok(copies) = fs::read_dir(&self.good) else {
            return;
        };
        for copy in copies.filter_map(Result::ok) {
            let original = self.directory.join(copy.file_name());
            if paths.binary_search(&original).is_err() {
                let _ = fs::remove_file(copy.path());
            }
        }
    }

    /// Every object of every file.
    pub fn objects(&self) -> impl Iterator<Item = &T> {
        self.files.values().flat_map(|file| &file.objects)
    }

    /// The name of each file with the text its objects were read from.
    pub fn texts(&self) -> impl Iterator<Item = (String, Arc<str>)> {
        self.files.iter().filter_map(|(path, file)| {
            let text = file.good.clone()?;
            Some((path.display().to_string(), text))
        })
    }

    /// What is wrong with the files.
    pub fn errors(&self) -> Vec<SourceError> {
        let files = self.files.values().flat_map(|file| file.errors.iter());
        files.chain(&self.problem).cloned().collect()
    }

    fn read(&mut self, path: PathBuf) -> bool {
        let text: Result<Arc<str>, String> = text_of(&path).map(Arc::from);
        if let Some(file) = self.files.get_mut(&path)
            && file.text == text
        {
            if let (true, Ok(text)) = (file.uncopied, &text) {
                file.uncopied = copy(&self.good, &path, text).is_err();
            }
            return false;
        }
        let parsed = match &text {
            Ok(text) => (self.parse)(&path.display().to_string(), text)
                .map_err(|findings| findings.iter().map(source_error).collect()),
            Err(error) => Err(vec![whole(&path, error.clone())]),
        };
        let file = match parsed {
            Ok(objects) => File {
                uncopied: text.as_ref().is_ok_and(|text| !self.keep(&path, text)),
                good: text.as_ref().ok().cloned(),
                text,
                objects,
                errors: Vec::new(),
            },
            Err(errors) => {
                let (objects, good) = self.last_good(&path);
                File {
                    text,
                    objects,
                    good,
                    errors,
                    uncopied: false,
                }
            }
        };
        self.files.insert(path, file);
        true
    }

    fn last_good(&self, path: &Path) -> (Vec<T>, Option<Arc<str>>) {
        if let Some(file) = self.files.get(path) {
            return (file.objects.clone(), file.good.clone());
        }
        let Ok(text) = fs::read_to_string(copy_of(&self.good, path)) else {
            return (Vec::new(), None);
        };
        match (self.parse)(&path.display().to_string(), &text) {
            Ok(objects) => (objects, Some(text.into())),
            Err(_) => (Vec::new(), None),
        }
    }

    /// A copy that cannot be written costs the last good state over a restart, nothing now; it is
    /// tried again at every look.
    fn keep(&self, path: &Path, text: &str) -> bool {
        let kept = copy(&self.good, path, text);
        if let Err(error) = &kept {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot keep a copy of a good file");
        }
        kept.is_ok()
    }
}

fn copy(good: &Path, path: &Path, text: &str) -> io::Result<()> {
    let copy = copy_of(good, path);
    fs::create_dir_all(good)?;
    fs::write(copy.with_extension("new"), text)?;
    fs::rename(copy.with_extension("new"), &copy)
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let yaml = path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        });
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if yaml && !hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn text_of(path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot be read: {error}");
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(format!(
            "{length} bytes; a file may have at most {MAX_BYTES}"
        ));
    }
    fs::read_to_string(path).map_err(failed)
}

fn copy_of(good: &Path, path: &Path) -> PathBuf {
    good.join(path.file_name().unwrap_or_default())
}

fn whole(path: &Path, message: String) -> SourceError {
    SourceError {
        file: path.display().to_string(),
        line: 0,
        message,
    }
}

fn source_error(finding: &Diagnostic) -> SourceError {
    let prefix = format!("{}:{}:", finding.file, finding.line);
    let text = finding.to_string();
    SourceError {
        file: finding.file.clone(),
        line: finding.line,
        message: text
            .strip_prefix(&prefix)
            .unwrap_or(&text)
            .trim()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(file: &str, text: &str) -> Result<Vec<u32>, Vec<Diagnostic>> {
        text.lines()
            .map(|line| {
                line.parse().map_err(|_| {
                    vec![Diagnostic {
                        file: file.to_owned(),
                        line: 1,
                        column: 1,
                        path: String::new(),
                        message: "no number".to_owned(),
                        help: String::new(),
                    }]
                })
            })
            .collect()
    }

    fn objects(source: &Source<u32>) -> Vec<u32> {
        source.objects().copied().collect()
    }

    #[test]
    fn a_broken_file_keeps_its_last_good_state_also_over_a_restart() {
        let root = tempfile::tempdir().expect("a directory");
        let (directory, good) = (root.path().join("d"), root.path().join("good"));
        fs::create_dir(&directory).expect("made");
        let file = directory.join("a.yaml");
        fs::write(&file, "1\n2").expect("written");
        let mut source = Source::new(directory.clone(), good.clone(), numbers);
        assert!(source.refresh());
        assert!(!source.refresh(), "nothing changed");
        fs::write(&file, "one").expect("written");
        assert!(source.refresh());
        assert_eq!(objects(&source), [1, 2]);
        assert_eq!(source.errors()[0].line, 1);
        let mut restarted = Source::new(directory, good, numbers);
        restarted.refresh();
        assert_eq!(objects(&restarted), [1, 2]);
        fs::remove_file(&file).expect("removed");
        assert!(restarted.refresh());
        assert_eq!(objects(&restarted), [0; 0]);
    }

    #[test]
    fn a_copy_that_could_not_be_written_is_tried_again() {
        let root = tempfile::tempdir().expect("a directory");
        let (directory, good) = (root.path().join("d"), root.path().join("good"));
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join("a.yaml"), "1").expect("written");
        fs::write(&good, "in the way").expect("written");
        let mut source = Source::new(directory, good.clone(), numbers);
        assert!(source.refresh());
        fs::remove_file(&good).expect("removed");
        assert!(!source.refresh(), "nothing changed");
        assert_eq!(fs::read_to_string(good.join("a.yaml")).expect("kept"), "1");
    }

    #[test]
    fn what_was_removed_while_no_daemon_ran_does_not_come_back() {
        let root = tempfile::tempdir().expect("a directory");
        let (directory, good) = (root.path().join("d"), root.path().join("good"));
        fs::create_dir(&directory).expect("made");
        let file = directory.join("a.yaml");
        fs::write(&file, "1").expect("written");
        Source::new(directory.clone(), good.clone(), numbers).refresh();
        fs::remove_file(&file).expect("removed");
        let mut source = Source::new(directory, good, numbers);
        source.refresh();
        fs::write(&file, "one").expect("written");
        source.refresh();
        assert_eq!(objects(&source), [0; 0]);
        assert_eq!(source.errors()[0].line, 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_not_an_empty_one() {
        let root = tempfile::tempdir().expect("a directory");
        let mut source = Source::new(root.path().join("none"), root.path().join("good"), numbers);
        source.refresh();
        assert!(source.errors()[0].message.contains("cannot be read"));
        assert!(!source.is_known());
    }
}
