//! The files of the store: one for each document, shadow policies apart from enforced ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::document::{self, Document};

/// The end of the name of a file of shadow policies. No object's name has a `+` in it.
const SHADOW: &str = "+shadow.yaml";

/// What files are to hold; `None`: they are not to be there.
pub(super) type Writes = BTreeMap<String, Option<String>>;

/// One file of the store.
pub(super) struct Kept {
    pub(super) text: String,
    /// What is in it, as `Kind/namespace/name`.
    pub(super) objects: Vec<String>,
    pub(super) shadow: bool,
}

/// Whether the name of a file says that its policies are shadow policies.
pub(super) fn is_shadow(file: &str) -> bool {
    file.ends_with(SHADOW)
}

/// All files of the store.
pub(super) fn read_all(directory: &Path) -> io::Result<BTreeMap<String, Kept>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
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
        let objects = document::read(name, &text).map(|contents| document::names(&contents));
        let kept = Kept {
            text,
            objects: objects.unwrap_or_default(),
            shadow: is_shadow(name),
        };
        files.insert(name.to_owned(), kept);
    }
    Ok(files)
}

/// Makes files what they are to be, each in one step.
pub(super) fn write(directory: &Path, files: &Writes) -> io::Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        match text {
            Some(text) => {
                let new = path.with_extension("new");
                fs::write(&new, text)?;
                fs::rename(new, path)?;
            }
            None => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            },
        }
    }
    Ok(())
}

/// The files these documents make or replace. Each object is in force once: where a file holds one
/// already it goes, as does the shadow of a policy that is enforced now.
///
/// # Errors
///
/// When a file that would go holds something else as well, which would go with it.
pub(super) fn replacing(
    known: &BTreeMap<String, Kept>,
    documents: &[Document],
) -> Result<Writes, String> {
    let mut writes: Writes = BTreeMap::new();
    let mut enforced: BTreeSet<&String> = BTreeSet::new();
    let mut shadow: BTreeSet<&String> = BTreeSet::new();
    for document in documents {
        let (objects, end) = match document.shadow {
            true => (&mut shadow, SHADOW),
            false => (&mut enforced, ".yaml"),
        };
        for object in &document.objects {
            if !objects.insert(object) {
                return Err(format!(
                    "{object} is in the text twice; leave one of them out"
                ));
            }
        }
        let first = document.objects.first().map_or("", String::as_str);
        let name = format!("{}{end}", first.replace('/', "."));
        writes.insert(name, Some(document.text.clone()));
    }
    for (name, kept) in known {
        let goes = |object: &String| {
            let promoted = kept.shadow && enforced.contains(object);
            promoted || if kept.shadow { &shadow } else { &enforced }.contains(object)
        };
        if !writes.contains_key(name) && !kept.objects.iter().any(goes) {
            continue;
        }
        if let Some(stays) = kept.objects.iter().find(|object| !goes(object)) {
            return Err(format!(
                "{stays} was applied in one list with others of this text; apply the whole list, or \
                 the list without them first"
            ));
        }
        writes.entry(name.clone()).or_insert(None);
    }
    Ok(writes)
}
