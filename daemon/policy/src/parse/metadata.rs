//! An object's metadata: name, namespace, uid.

use super::field::{Field, Object};
use crate::{
    labels::{Label, Labels, SOURCE_K8S},
    reference::Kind,
    syntax,
};

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// Fields an API server fills in; they say nothing about the policy.
pub(super) const FIELDS: [&str; 13] = [
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
];

/// What names the object.
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) shadow: bool,
}

/// The annotation that says whether a policy is enforced.
const MODE: &str = "flowd.io/mode";

pub(super) fn read(object: &Object<'_>, kind: Kind) -> Option<Metadata> {
    let metadata = object
        .require("metadata", "write metadata: {name: ...}")?
        .object(
            &FIELDS,
            &[("generateName", "give the policy a name of its own")],
        )?;
    let name = metadata.require("name", "every policy needs a name")?;
    let name = checked(name, syntax::dns_subdomain)?;
    let namespace = match (kind, metadata.get("namespace")) {
        (Kind::CiliumNetworkPolicy | Kind::NetworkPolicy, None) => {
            Some(DEFAULT_NAMESPACE.to_owned())
        }
        (Kind::CiliumNetworkPolicy | Kind::NetworkPolicy, Some(field)) => {
            Some(checked(field, syntax::dns_label)?)
        }
        (Kind::CiliumClusterwideNetworkPolicy | Kind::ClusterNetworkPolicy, None) => None,
        (Kind::CiliumClusterwideNetworkPolicy, Some(field)) => {
            field.refuse(
                "a CiliumClusterwideNetworkPolicy has no namespace",
                "remove it, or make the policy a CiliumNetworkPolicy",
            );
            return None;
        }
        (Kind::ClusterNetworkPolicy, Some(field)) => {
            field.refuse(
                "a ClusterNetworkPolicy has no namespace",
                "remove it, or make the policy a NetworkPolicy",
            );
            return None;
        }
    };
    let uid = match metadata.get("uid") {
        None => None,
        Some(field) => Some(checked(field, syntax::label_value)?),
    };
    Some(Metadata {
        name,
        namespace,
        uid,
        shadow: shadow(&metadata)?,
    })
}

/// Whether the annotations make the policy a shadow policy.
fn shadow(metadata: &Object<'_>) -> Option<bool> {
    let annotations = match metadata.get("annotations") {
        Some(annotations) if !annotations.is_blank() => annotations.entries()?,
        Some(_) | None => return Some(false),
    };
    let Some((_, mode)) = annotations.into_iter().find(|(name, _)| *name == MODE) else {
        return Some(false);
    };
    match mode.text()? {
        "shadow" => Some(true),
        "enforce" => Some(false),
        other => {
            mode.error(
                format!("{:?} is not a mode of a policy", syntax::shorten(other)),
                "write shadow to judge it without enforcing it, enforce to enforce it",
            );
            None
        }
    }
}

/// The labels of an object, as selectors of objects see them.
pub(super) fn labels(metadata: &Object<'_>) -> Option<Labels> {
    let Some(labels) = metadata.get("labels") else {
        return Some(Labels::from(Vec::new()));
    };
    labels
        .entries()?
        .into_iter()
        .map(|(key, value)| Some(Label::new(SOURCE_K8S, key, value.text()?)))
        .collect()
}

/// Name and namespace of an object that is no policy, and its metadata.
pub(super) fn place<'a>(object: &Object<'a>) -> Option<(String, String, Object<'a>)> {
    let metadata = object
        .require("metadata", "write metadata: {name: ...}")?
        .object(&FIELDS, &[])?;
    let name = metadata.require("name", "it needs a name")?;
    let name = checked(name, syntax::dns_subdomain)?;
    let namespace = match metadata.get("namespace") {
        None => DEFAULT_NAMESPACE.to_owned(),
        Some(field) => checked(field, syntax::dns_label)?,
    };
    Some((name, namespace, metadata))
}

pub(super) fn checked(
    field: &Field<'_>,
    check: fn(&str) -> Result<(), &'static str>,
) -> Option<String> {
    let text = field.text()?;
    match check(text) {
        Ok(()) => Some(text.to_owned()),
        Err(reason) => {
            field.error(format!("{:?} is not valid", syntax::shorten(text)), reason);
            None
        }
    }
}
