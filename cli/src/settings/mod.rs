//! Where a value comes from that was not typed: environment, configuration file, default.
//!
//! Flag names are the keys of the file, as in `hubble`'s `config.yaml`; the environment has them in
//! upper case behind `FLOWD_` or `HUBBLE_`. What is found becomes the default of its flag, so that a
//! typed flag always wins.

mod file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Command};

use crate::failure::Failure;

pub use file::{locate, preferred, read, write};

/// Flags that the environment and the file can set. Filters are not among them: a flow that is
/// missing because of a forgotten file would be believed to be missing.
pub const KEYS: [&str; 23] = [
    "allowlist",
    "basic-auth-password",
    "basic-auth-username",
    "color",
    "debug",
    "denylist",
    "ip-translation",
    "numeric",
    "print-node-name",
    "print-policy-names",
    "request-timeout",
    "server",
    "silent-errors",
    "time-format",
    "timeout",
    "tls",
    "tls-allow-insecure",
    "tls-ca-cert-files",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-server-name",
    "token-file",
    "use-default-field-masks",
];

/// Values by key.
pub type Values = BTreeMap<String, Vec<String>>;

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
}

impl Origin {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
        }
    }
}

/// What environment and file say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Values with their origin.
    pub found: BTreeMap<String, (Vec<String>, Origin)>,
    /// The file that was read.
    pub path: Option<PathBuf>,
}

impl Settings {
    /// Reads file and environment. `typed` is the command line, for its `--config`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no YAML or has a key that is none.
    pub fn load(typed: &[OsString]) -> Result<Self, Failure> {
        let path = locate(typed);
        let mut found = BTreeMap::new();
        if let Some(path) = &path {
            for (key, values) in read(path)? {
                found.insert(key, (values, Origin::File));
            }
        }
        for key in KEYS {
            if let Some(text) = environment(key) {
                let values = match is_list(key) {
                    true => text.split(',').map(str::to_owned).collect(),
                    false => vec![text],
                };
                found.insert(key.to_owned(), (values, Origin::Environment));
            }
        }
        Ok(Self { found, path })
    }

    /// Makes what was found the defaults of a command's flags.
    pub fn apply(&self, command: Command) -> Command {
        let names: Vec<String> = command
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        let command = names.into_iter().fold(command, |command, name| {
            command.mut_subcommand(name, |subcommand| self.apply(subcommand))
        });
        command.mut_args(|arg| {
            let found = arg.get_long().and_then(|long| self.found.get(long));
            let Some((values, _)) = found else {
                return arg;
            };
            let switch = matches!(arg.get_action(), ArgAction::SetTrue);
            match values.as_slice() {
                [] => arg,
                [value] if switch => arg.default_value(truth(value)),
                values => arg.default_values(values.to_vec()),
            }
        })
    }
}

/// `FLOWD_KEY`, then `HUBBLE_KEY`; an empty one counts as absent.
fn environment(key: &str) -> Option<String> {
    let name = key.to_ascii_uppercase().replace('-', "_");
    ["FLOWD_", "HUBBLE_"].iter().find_map(|prefix| {
        let value = std::env::var(format!("{prefix}{name}")).ok()?;
        (!value.is_empty()).then_some(value)
    })
}

/// Whether commas part several values. A filter in JSON has commas of its own.
pub fn is_list(key: &str) -> bool {
    matches!(key, "server" | "tls-ca-cert-files")
}

/// The words Go takes for a truth value; others are left for the parser to refuse.
fn truth(value: &str) -> String {
    match value {
        "1" | "t" | "T" | "TRUE" | "True" => "true".to_owned(),
        "0" | "f" | "F" | "FALSE" | "False" => "false".to_owned(),
        other => other.to_owned(),
    }
}
