//! One document: which kind of object it is, its name, its specs.

use std::sync::Arc;

use super::{
    field::{Field, Object},
    metadata::{self, Metadata},
    report::Report,
    spec,
};
use crate::{
    labels::{Label, Labels, SOURCE_K8S},
    object::{Kind, Policy, PolicyRef},
    yaml::Node,
};

const API_VERSION: &str = "cilium.io/v2";
const FIELDS: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "specs", "status"];
const DERIVED_FROM: &str = "io.cilium.k8s.policy.derived-from";
const DERIVED_NAME: &str = "io.cilium.k8s.policy.name";
const DERIVED_NAMESPACE: &str = "io.cilium.k8s.policy.namespace";
const DERIVED_UID: &str = "io.cilium.k8s.policy.uid";

/// Reads a document; `None` when something was reported about it.
pub(super) fn read(report: &Report, document: &Node) -> Option<Policy> {
    let root = Field::root(report, document);
    let entries = root.entries()?;
    let kind = kind(&root, &entries)?;
    let object = root.object(&FIELDS, &[])?;
    let metadata = metadata::read(&object, kind);
    let user_labels = spec::user_labels(&object);
    let reference = Arc::new(reference(kind, &metadata?, user_labels, &root));
    let specs = specs(&object, &reference)?;
    Some(Policy {
        reference,
        specs,
        warnings: report.take_warnings(),
    })
}

/// The kind is read before anything else: what is allowed in a document depends on it.
fn kind(root: &Field<'_>, entries: &[(&str, Field<'_>)]) -> Option<Kind> {
    let find = |name| {
        entries
            .iter()
            .find(|(entry, _)| *entry == name)
            .map(|(_, field)| field)
    };
    let Some(kind) = find("kind") else {
        root.error("kind is missing", "write kind: CiliumNetworkPolicy");
        return None;
    };
    let found = match kind.text()? {
        "CiliumNetworkPolicy" => Kind::CiliumNetworkPolicy,
        "CiliumClusterwideNetworkPolicy" => Kind::CiliumClusterwideNetworkPolicy,
        other => {
            kind.error(
                format!(
                    "{:?} is not a kind of policy flowd knows",
                    crate::syntax::shorten(other)
                ),
                "CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy are",
            );
            return None;
        }
    };
    let Some(version) = find("apiVersion") else {
        root.error(
            "apiVersion is missing",
            format!("write apiVersion: {API_VERSION}"),
        );
        return None;
    };
    if version.text()? != API_VERSION {
        version.error(
            "is not a version flowd knows",
            format!("write {API_VERSION}"),
        );
        return None;
    }
    Some(found)
}

fn reference(kind: Kind, metadata: &Metadata, user: Vec<Label>, root: &Field<'_>) -> PolicyRef {
    let derived = |key, value: &str| Label::new(SOURCE_K8S, key, value);
    let mut labels = vec![
        derived(DERIVED_FROM, kind.name()),
        derived(DERIVED_NAME, &metadata.name),
    ];
    labels.extend(
        metadata
            .namespace
            .as_deref()
            .map(|namespace| derived(DERIVED_NAMESPACE, namespace)),
    );
    labels.extend(metadata.uid.as_deref().map(|uid| derived(DERIVED_UID, uid)));
    labels.extend(user);
    PolicyRef {
        kind,
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        labels: Labels::from(labels),
        file: root.report().file().to_owned(),
        line: root.line(),
    }
}

fn specs(object: &Object<'_>, reference: &Arc<PolicyRef>) -> Option<Vec<crate::object::Spec>> {
    let mut specs = Vec::new();
    let single = object.get("spec");
    let many = object.get("specs");
    if let Some(field) = single {
        specs.push(spec::read(field, reference, None));
    }
    for (index, field) in (0..).zip(object.items("specs").unwrap_or_default()) {
        specs.push(spec::read(&field, reference, Some(index)));
    }
    if specs.is_empty() {
        let field = many.unwrap_or_else(|| object.field());
        field.error(
            "the policy has no rules",
            "write a spec, or a non-empty list specs",
        );
        return None;
    }
    specs.into_iter().collect()
}
