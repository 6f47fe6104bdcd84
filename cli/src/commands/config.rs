//! `flowctl config`: the values that are in force, and the file some of them stand in.

use std::ffi::OsString;

use super::print;
use crate::args::ConfigCommand;
use crate::failure::Failure;
use crate::settings::{KEYS, Settings, Values, is_list, preferred, read, write};

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    match command {
        ConfigCommand::View => view(&Settings::load(&typed)?),
        ConfigCommand::Get { key } => {
            known(key)?;
            get(&Settings::load(&typed)?, key)
        }
        ConfigCommand::Set { key, value } => {
            known(key)?;
            let value = value.clone().unwrap_or_default();
            let values = match is_list(key) {
                true => value.split(',').map(str::to_owned).collect(),
                false => vec![value],
            };
            change(&typed, |file| {
                file.insert(key.clone(), values);
            })
        }
        ConfigCommand::Reset { key: None } => change(&typed, Values::clear),
        ConfigCommand::Reset { key: Some(key) } => {
            known(key)?;
            change(&typed, |file| {
                file.remove(key);
            })
        }
    }
}

fn known(key: &str) -> Result<(), Failure> {
    if KEYS.contains(&key) {
        return Ok(());
    }
    let keys = KEYS.join(", ");
    Err(Failure::Usage(format!(
        "{key:?} is no key; keys are {keys}"
    )))
}

fn get(settings: &Settings, key: &str) -> Result<(), Failure> {
    match settings.found.get(key) {
        Some((values, _)) => print(format!("{}\n", values.join(",")).as_bytes()),
        None => Err(Failure::Runtime(format!(
            "{key} is set neither in the environment nor in the file"
        ))),
    }
}

fn view(settings: &Settings) -> Result<(), Failure> {
    let mut text = match &settings.path {
        Some(path) => format!("# {}\n", path.display()),
        None => "# no file\n".to_owned(),
    };
    for (key, (values, origin)) in &settings.found {
        let value = match secret(key) {
            true => "***".to_owned(),
            false => values.join(","),
        };
        text.push_str(&format!("{key}: {value}  # {}\n", origin.name()));
    }
    print(text.as_bytes())
}

/// What is not shown to whoever looks over a shoulder.
fn secret(key: &str) -> bool {
    key == "basic-auth-password"
}

fn change(typed: &[OsString], change: impl FnOnce(&mut Values)) -> Result<(), Failure> {
    let path = preferred(typed).ok_or_else(|| {
        Failure::Usage("there is no home to keep a file in: name one with --config".to_owned())
    })?;
    let mut values = match path.exists() {
        true => read(&path)?,
        false => Values::new(),
    };
    change(&mut values);
    write(&path, &values)
}
