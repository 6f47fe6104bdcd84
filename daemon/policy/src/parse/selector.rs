//! Label selectors: `matchLabels` and `matchExpressions`.

use std::collections::BTreeSet;

use super::field::Field;
use crate::{
    labels::{NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX, SOURCE_ANY, SOURCE_K8S, SOURCE_RESERVED},
    selector::{Key, Requirement, Selector},
    syntax,
};

/// Names a `reserved:` label can have here.
const RESERVED: [&str; 8] = [
    "host",
    "world",
    "unmanaged",
    "health",
    "init",
    "remote-node",
    "kube-apiserver",
    "ingress",
];

/// Sources of labels no peer here carries, and what to use instead.
const FOREIGN: [(&str, &str); 4] = [
    ("cidr", "use fromCIDR or toCIDR"),
    ("cidrgroup", "use fromCIDR or toCIDR"),
    ("fqdn", "name peers by address"),
    ("node", "use the entities host and remote-node"),
];

/// Reads the key of a requirement; `None` when something was reported about it.
type ReadKey = fn(&str, &Field<'_>) -> Option<Key>;

/// Reads a selector; `None` when something was reported about it.
pub(super) fn read(field: &Field<'_>) -> Option<Selector> {
    read_with(field, key)
}

/// Reads a selector of Kubernetes on the labels of pods.
pub(super) fn read_pods(field: &Field<'_>) -> Option<Selector> {
    read_with(field, |text, field| {
        Some(Key::of(SOURCE_K8S, plain_key(text, field)?))
    })
}

/// Reads a selector of Kubernetes on the labels of namespaces, as requirements on the pods in them.
pub(super) fn read_namespaces(field: &Field<'_>) -> Option<Selector> {
    read_with(field, |text, field| {
        let name = format!("{NAMESPACE_LABELS_PREFIX}{}", plain_key(text, field)?);
        Some(Key::of(SOURCE_K8S, &name))
    })
}

/// Reads a selector of Kubernetes on the labels of nodes: of this one, and of others.
pub(super) fn read_nodes(field: &Field<'_>) -> Option<[Selector; 2]> {
    let selector = read_pods(field)?;
    Some(["host", "remote-node"].map(|kind| {
        let here = Requirement::Exists(Key::of(SOURCE_RESERVED, kind));
        selector.clone().and(here)
    }))
}

fn read_with(field: &Field<'_>, key: ReadKey) -> Option<Selector> {
    let object = field.object(&["matchLabels", "matchExpressions"], &[])?;
    let mut requirements = Vec::new();
    if let Some(labels) = object.get("matchLabels") {
        for (name, value) in labels.entries()? {
            requirements.push(equals(name, &value, key));
        }
    }
    for expression in object.items("matchExpressions").unwrap_or_default() {
        requirements.push(requirement(&expression, key));
    }
    requirements.into_iter().collect()
}

/// Restricts a subject to the namespace of its policy; a foreign one the author named is dropped.
pub(super) fn force_namespace(field: &Field<'_>, selector: Selector, namespace: &str) -> Selector {
    let own = || Requirement::equals(Key::of(SOURCE_K8S, NAMESPACE_KEY), namespace);
    let is_own = |requirement: &Requirement| match requirement {
        Requirement::In(key, values) if key.name == NAMESPACE_KEY => {
            values.len() == 1 && values.contains(namespace)
        }
        Requirement::In(..)
        | Requirement::NotIn(..)
        | Requirement::Exists(_)
        | Requirement::DoesNotExist(_) => true,
    };
    if !selector.requirements().all(is_own) {
        field.warning(
            format!("selects another namespace than the policy's; {namespace} is used"),
            "use a CiliumClusterwideNetworkPolicy to select endpoints of other namespaces",
        );
    }
    selector
        .retain(|requirement| match requirement {
            Requirement::In(key, _) => key.name != NAMESPACE_KEY,
            Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::DoesNotExist(_) => true,
        })
        .and(own())
}

fn equals(name: &str, value: &Field<'_>, key: ReadKey) -> Option<Requirement> {
    let key = key(name, value);
    let text = label_value(value);
    Some(Requirement::equals(key?, &text?))
}

fn requirement(field: &Field<'_>, key: ReadKey) -> Option<Requirement> {
    let object = field.object(&["key", "operator", "values"], &[])?;
    let name = object.require("key", "an expression needs a key")?;
    let key = key(name.text()?, name)?;
    let operator = object.require("operator", "use In, NotIn, Exists or DoesNotExist")?;
    let values: Option<BTreeSet<String>> = object
        .items("values")
        .unwrap_or_default()
        .iter()
        .map(label_value)
        .collect();
    let values = values?;
    match (operator.text()?, values.is_empty()) {
        ("In", false) => Some(Requirement::In(key, values)),
        ("NotIn", false) => Some(Requirement::NotIn(key, values)),
        ("Exists", true) => Some(Requirement::Exists(key)),
        ("DoesNotExist", true) => Some(Requirement::DoesNotExist(key)),
        ("In" | "NotIn", true) => {
            operator.error("has no values to compare with", "list at least one value");
            None
        }
        ("Exists" | "DoesNotExist", false) => {
            operator.error("takes no values", "remove values, or use In or NotIn");
            None
        }
        (other, _) => {
            operator.error(
                format!("{:?} is not an operator", syntax::shorten(other)),
                "use In, NotIn, Exists or DoesNotExist",
            );
            None
        }
    }
}

/// Reads `key`, `source:key` or `$entity`.
fn key(text: &str, field: &Field<'_>) -> Option<Key> {
    if let Some(reserved) = text.strip_prefix('$') {
        return reserved_key(reserved, field);
    }
    let (source, name) = match text.split_once(':') {
        None => (SOURCE_ANY, text),
        Some(parts) => parts,
    };
    if source == SOURCE_RESERVED {
        return reserved_key(name, field);
    }
    if let Some((_, help)) = FOREIGN.iter().find(|(foreign, _)| *foreign == source) {
        field.refuse(
            format!("no peer carries labels of the source {source}"),
            *help,
        );
        return None;
    }
    let valid_source =
        !source.is_empty() && source.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let verdict = if !valid_source {
        Err("the source before ':' may hold letters and digits")
    } else if name.contains(':') {
        Err("only one ':' may part source and key")
    } else {
        syntax::label_key(name)
    };
    match verdict {
        Ok(()) if source == SOURCE_ANY => Some(Key::any(name)),
        Ok(()) => Some(Key::of(source, name)),
        Err(reason) => {
            field.refuse(
                format!("{:?} is not a label key", syntax::shorten(text)),
                reason,
            );
            None
        }
    }
}

/// A label key without a source.
fn plain_key<'a>(text: &'a str, field: &Field<'_>) -> Option<&'a str> {
    match syntax::label_key(text) {
        Ok(()) => Some(text),
        Err(reason) => {
            field.refuse(
                format!("{:?} is not a label key", syntax::shorten(text)),
                reason,
            );
            None
        }
    }
}

fn reserved_key(name: &str, field: &Field<'_>) -> Option<Key> {
    if RESERVED.contains(&name) {
        return Some(Key::of(SOURCE_RESERVED, name));
    }
    field.refuse(
        format!("there is no reserved label {:?}", syntax::shorten(name)),
        format!("there are {}", RESERVED.join(", ")),
    );
    None
}

fn label_value(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    match syntax::label_value(text) {
        Ok(()) => Some(text.to_owned()),
        Err(reason) => {
            field.error(
                format!("{:?} is not a label value", syntax::shorten(text)),
                reason,
            );
            None
        }
    }
}
