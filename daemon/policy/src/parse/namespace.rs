//! A namespace, its labels, and what it says about the mode of its endpoints.

use std::collections::BTreeMap;

use super::{
    field::{Field, Object},
    metadata::{self, FIELDS},
};
use crate::syntax;

/// A namespace and the labels by which policies select it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels, for [`labels::for_endpoint_in`](crate::labels::for_endpoint_in).
    pub labels: BTreeMap<String, String>,
    /// The mode of its endpoints, where it says one.
    pub mode: Option<NamespaceMode>,
}

/// What is done with denials of the endpoints of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceMode {
    /// They are enforced.
    Enforce,
    /// They are told, not enforced.
    Audit,
    /// Nothing is judged.
    Off,
}

/// The annotation, or label, that says it.
const MODE: &str = "flowd.io/mode";

pub(super) fn read(object: &Object<'_>) -> Option<Namespace> {
    let metadata = object
        .require("metadata", "write metadata: {name: ...}")?
        .object(&FIELDS, &[])?;
    let name = metadata.require("name", "name the namespace")?;
    let name = metadata::checked(name, syntax::dns_label)?;
    let labels = match metadata.get("labels") {
        None => BTreeMap::new(),
        Some(field) => field
            .entries()?
            .into_iter()
            .map(|(key, value)| label(key, &value))
            .collect::<Option<_>>()?,
    };
    let mode = [metadata.get("annotations"), metadata.get("labels")]
        .into_iter()
        .flatten()
        .filter(|field| !field.is_blank())
        .filter_map(|field| {
            let entries = field.entries()?;
            entries.into_iter().find(|(key, _)| *key == MODE)
        })
        .map(|(_, field)| mode(&field))
        .next();
    Some(Namespace {
        name,
        labels,
        mode: match mode {
            None => None,
            Some(mode) => Some(mode?),
        },
    })
}

fn mode(field: &Field<'_>) -> Option<NamespaceMode> {
    match field.text()? {
        "enforce" => Some(NamespaceMode::Enforce),
        "audit" => Some(NamespaceMode::Audit),
        "off" => Some(NamespaceMode::Off),
        other => {
            field.error(
                format!("{:?} is not a mode of a namespace", syntax::shorten(other)),
                "write enforce, audit or off",
            );
            None
        }
    }
}

fn label(key: &str, field: &Field<'_>) -> Option<(String, String)> {
    let value = field.text()?;
    match syntax::label_key(key).and_then(|()| syntax::label_value(value)) {
        Ok(()) => Some((key.to_owned(), value.to_owned())),
        Err(reason) => {
            field.error("is not a label", reason);
            None
        }
    }
}
