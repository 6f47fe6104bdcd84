//! A namespace and its labels.

use std::collections::BTreeMap;

use super::{
    field::{Field, Object},
    metadata::{self, FIELDS},
};
use crate::{object::Namespace, syntax};

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
    Some(Namespace { name, labels })
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
