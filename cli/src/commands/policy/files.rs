//! Policy files and directories of them, found and read as the daemon does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use flowd_policy::{Contents, Diagnostic, read};

use super::finding::whole;
use crate::failure::Failure;

/// Files of one directory, at most; the daemon's limit.
const MAX_FILES: usize = 10_000;
/// Bytes of one file, at most; the daemon's limit.
const MAX_BYTES: u64 = 4 << 20;

/// What there is in the files that were named.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Files that were read.
    pub(super) files: usize,
    /// What is in those without an error.
    pub(super) contents: Vec<Contents>,
    /// What is wrong with the others.
    pub(super) errors: Vec<Diagnostic>,
}

/// Reads the policies of all `paths`.
pub(super) fn policies(paths: &[PathBuf]) -> Result<Read, Failure> {
    let mut all = Read::default();
    for path in expand(paths)? {
        all.files += 1;
        let name = path.display().to_string();
        match text(&path).and_then(|text| read(&name, &text)) {
            Ok(contents) => all.contents.push(contents),
            Err(errors) => all.errors.extend(errors),
        }
    }
    Ok(all)
}

/// The text of a file that was named.
pub(super) fn text(path: &Path) -> Result<String, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let failed = |error: io::Error| vec![whole(&name, format!("cannot be read: {error}"), "")];
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        let message = format!("has {length} bytes; a file may have at most {MAX_BYTES}");
        return Err(vec![whole(&name, message, "split it")]);
    }
    fs::read_to_string(path).map_err(failed)
}

/// Directories are replaced by their files. A name that leads to nothing is a mistake of the caller:
/// a check of nothing must not succeed.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let kind = fs::metadata(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        if kind.is_dir() {
            files.extend(inside(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn inside(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let usage = |message: String| Failure::Usage(format!("{}: {message}", directory.display()));
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| usage(error.to_string()))?;
    let mut files: Vec<PathBuf> = entries
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| is_policy(path))
        .collect();
    files.sort();
    match files.len() {
        0 => Err(usage("no .yaml, .yml or .json file in it".to_owned())),
        1..=MAX_FILES => Ok(files),
        many => Err(usage(format!("{many} files; at most {MAX_FILES} are read"))),
    }
}

fn is_policy(path: &Path) -> bool {
    let known = path.extension().and_then(OsStr::to_str);
    let hidden = path
        .file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'));
    known.is_some_and(|known| ["yaml", "yml", "json"].contains(&known)) && !hidden && path.is_file()
}
