//! The configuration file: flag names and their values, as YAML.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{KEYS, Values};
use crate::failure::Failure;

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The file that counts: the one that was named, or else the first there is.
///
/// The current folder is not looked in, other than by `hubble`: whoever prepared it would choose
/// which server is asked and with which certificates.
pub fn locate(typed: &[OsString]) -> Option<PathBuf> {
    if let Some(path) = named(typed) {
        return Some(path);
    }
    places().into_iter().find(|path| path.is_file())
}

/// Where a new file is written to.
pub fn preferred(typed: &[OsString]) -> Option<PathBuf> {
    locate(typed).or_else(|| places().into_iter().next())
}

fn named(typed: &[OsString]) -> Option<PathBuf> {
    let mut words = typed.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--config" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    ["FLOWCTL_CONFIG", "HUBBLE_CONFIG"]
        .iter()
        .filter_map(std::env::var_os)
        .find(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn places() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.map(PathBuf::from);
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".config")));
    ["flowctl", "hubble"]
        .iter()
        .flat_map(|name| {
            let config = config.as_ref().map(|config| config.join(name));
            let home = home.as_ref().map(|home| home.join(format!(".{name}")));
            [config, home]
        })
        .flatten()
        .map(|folder| folder.join("config.yaml"))
        .collect()
}

/// Reads a file. Keys of `hubble`'s that have no meaning here are left alone.
///
/// # Errors
///
/// When it cannot be read, is no YAML map, or has a key or value that is none.
pub fn read(path: &Path) -> Result<Values, Failure> {
    let wrong = |what: &dyn std::fmt::Display| {
        Failure::Usage(format!("configuration {}: {what}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if size > MAX_BYTES {
        return Err(wrong(&"larger than 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    if text.trim().is_empty() {
        return Ok(Values::new());
    }
    let map: serde_json::Map<String, Value> =
        serde_saphyr::from_str(&text).map_err(|error| wrong(&error))?;
    let mut values = Values::new();
    for (key, value) in map {
        if HUBBLE_ONLY.contains(&key.as_str()) {
            continue;
        }
        if !KEYS.contains(&key.as_str()) {
            return Err(wrong(&format_args!(
                "{key:?} is no key; keys are {}",
                KEYS.join(", ")
            )));
        }
        let texts: Option<Vec<String>> = match value {
            Value::Array(list) => list.into_iter().map(scalar).collect(),
            one @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => scalar(one).map(|one| vec![one]),
        };
        let Some(texts) = texts else {
            return Err(wrong(&format_args!("{key}: no map belongs here")));
        };
        values.insert(key, texts);
    }
    Ok(values)
}

/// Keys `hubble config set` writes that flowctl has no use for.
const HUBBLE_ONLY: [&str; 6] = [
    "config",
    "kube-context",
    "kube-namespace",
    "kubeconfig",
    "port-forward",
    "port-forward-port",
];

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Writes a file whole: a new one is put in the place of the old one.
///
/// # Errors
///
/// When the folder cannot be made or the file cannot be written.
pub fn write(path: &Path, values: &Values) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Runtime(format!("{}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let mut text = String::new();
    for (key, values) in values {
        let json = match values.as_slice() {
            [one] => serde_json::to_string(one),
            list => serde_json::to_string(list),
        };
        // JSON is YAML.
        text.push_str(&format!(
            "{key}: {}\n",
            json.map_err(|error| failed(&error))?
        ));
    }
    let beside = path.with_extension("yaml.new");
    let mut file = fs::File::create(&beside).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| failed(&error))
}
