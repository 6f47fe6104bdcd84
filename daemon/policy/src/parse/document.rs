//! One document: which kind of object it is, its name, its specs.

use std::sync::Arc;

use super::{
    Contents, cidr_group, cluster_network_policy,
    field::{Field, Object},
    metadata::{self, Metadata},
    namespace, network_policy,
    report::Report,
    service, spec,
};
use crate::{
    labels::{Label, Labels, SOURCE_K8S},
    object::{Policy, Spec},
    reference::{Kind, PolicyRef, Turn},
    syntax,
    yaml::Node,
};

const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
const FIELDS_OF_MANY: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "specs", "status"];
const DERIVED_FROM: &str = "io.cilium.k8s.policy.derived-from";
const DERIVED_NAME: &str = "io.cilium.k8s.policy.name";
const DERIVED_NAMESPACE: &str = "io.cilium.k8s.policy.namespace";
const DERIVED_UID: &str = "io.cilium.k8s.policy.uid";

/// What a document can be.
#[derive(Clone, Copy)]
enum Document {
    Policy(Kind),
    CidrGroup,
    Service,
    Endpoints,
    EndpointSlice,
    Namespace,
    List,
}

/// Kinds with the versions they are known in.
const KINDS: [(&str, &[&str], Document); 10] = [
    (
        "CiliumNetworkPolicy",
        &["cilium.io/v2"],
        Document::Policy(Kind::CiliumNetworkPolicy),
    ),
    (
        "CiliumClusterwideNetworkPolicy",
        &["cilium.io/v2"],
        Document::Policy(Kind::CiliumClusterwideNetworkPolicy),
    ),
    (
        "NetworkPolicy",
        &["networking.k8s.io/v1"],
        Document::Policy(Kind::NetworkPolicy),
    ),
    (
        "ClusterNetworkPolicy",
        &["policy.networking.k8s.io/v1alpha2"],
        Document::Policy(Kind::ClusterNetworkPolicy),
    ),
    (
        "CiliumCIDRGroup",
        &["cilium.io/v2", "cilium.io/v2alpha1"],
        Document::CidrGroup,
    ),
    ("Service", &["v1"], Document::Service),
    ("Endpoints", &["v1"], Document::Endpoints),
    (
        "EndpointSlice",
        &["discovery.k8s.io/v1"],
        Document::EndpointSlice,
    ),
    ("Namespace", &["v1"], Document::Namespace),
    ("List", &["v1"], Document::List),
];

/// Reads a document into `contents`, or reports what is wrong with it.
pub(super) fn read(report: &Report, document: &Node, contents: &mut Contents) {
    object(&Field::root(report, document), contents, true);
}

/// Lists hold objects but no lists, so that nesting stays bounded.
fn object(root: &Field<'_>, contents: &mut Contents, may_be_list: bool) -> Option<()> {
    match kind(root)? {
        Document::Policy(kind) => contents.policies.push(Arc::new(policy(root, kind)?)),
        Document::CidrGroup => {
            let object = root.object(&FIELDS, &[])?;
            contents.groups.push(cidr_group::read(&object)?);
        }
        Document::Service => {
            let object = root.object(&FIELDS, &[])?;
            contents.services.push(service::read(&object)?);
        }
        Document::Endpoints => {
            let object = root.object(&["apiVersion", "kind", "metadata", "subsets"], &[])?;
            contents.addresses.push(service::endpoints(&object)?);
        }
        Document::EndpointSlice => {
            let known = [
                "apiVersion",
                "kind",
                "metadata",
                "addressType",
                "endpoints",
                "ports",
            ];
            let object = root.object(&known, &[])?;
            contents.addresses.push(service::slice(&object)?);
        }
        Document::Namespace => {
            let object = root.object(&FIELDS, &[])?;
            contents.namespaces.push(namespace::read(&object)?);
        }
        Document::List if may_be_list => {
            let list = root.object(&["apiVersion", "kind", "metadata", "items"], &[])?;
            for item in list.items("items").unwrap_or_default() {
                object(&item, contents, false);
            }
        }
        Document::List => root.error("is a list inside a list", "list its items"),
    }
    Some(())
}

/// The kind is read before anything else: what is allowed in a document depends on it.
fn kind(root: &Field<'_>) -> Option<Document> {
    let entries = root.entries()?;
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
    let name = kind.text()?;
    let Some((_, versions, document)) = KINDS.iter().find(|(known, ..)| *known == name) else {
        kind.error(
            format!("{:?} is not a kind flowd knows", syntax::shorten(name)),
            match name {
                "AdminNetworkPolicy" => "write a ClusterNetworkPolicy with tier: Admin".to_owned(),
                "BaselineAdminNetworkPolicy" => {
                    "write a ClusterNetworkPolicy with tier: Baseline".to_owned()
                }
                _ => format!("known are {}", KINDS.map(|(known, ..)| known).join(", ")),
            },
        );
        return None;
    };
    let right = format!("write apiVersion: {}", versions.first()?);
    let Some(version) = find("apiVersion") else {
        root.error("apiVersion is missing", right);
        return None;
    };
    if !versions.contains(&version.text()?) {
        version.error(format!("is not a version of {name} flowd knows"), right);
        return None;
    }
    Some(*document)
}

fn policy(root: &Field<'_>, kind: Kind) -> Option<Policy> {
    let (reference, specs, shadow) = match kind {
        Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
            let object = root.object(&FIELDS_OF_MANY, &[])?;
            let metadata = metadata::read(&object, kind);
            let labels = spec::user_labels(&object);
            let metadata = metadata?;
            let reference = Arc::new(reference(kind, &metadata, labels, Turn::default(), root));
            let specs = specs(&object, &reference)?;
            (reference, specs, metadata.shadow)
        }
        Kind::NetworkPolicy => {
            let object = root.object(&FIELDS, &[])?;
            let metadata = metadata::read(&object, kind)?;
            let reference = Arc::new(reference(
                kind,
                &metadata,
                Vec::new(),
                Turn::default(),
                root,
            ));
            let spec = object.require("spec", "write a spec")?;
            let spec = network_policy::read(spec, &reference)?;
            (reference, vec![spec], metadata.shadow)
        }
        Kind::ClusterNetworkPolicy => {
            let object = root.object(&FIELDS, &[])?;
            let metadata = metadata::read(&object, kind);
            let field = object.require("spec", "write a spec")?;
            let turn = cluster_network_policy::turn(field);
            let turn = turn.unwrap_or_default();
            let metadata = metadata?;
            let reference = Arc::new(reference(kind, &metadata, Vec::new(), turn, root));
            let spec = cluster_network_policy::read(field, &reference)?;
            (reference, vec![spec], metadata.shadow)
        }
    };
    Some(Policy {
        reference,
        specs,
        warnings: root.report().take_warnings(),
        complete: root.report().take_complete(),
        shadow,
    })
}

fn reference(
    kind: Kind,
    metadata: &Metadata,
    user: Vec<Label>,
    turn: Turn,
    root: &Field<'_>,
) -> PolicyRef {
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
        turn,
    }
}

fn specs(object: &Object<'_>, reference: &Arc<PolicyRef>) -> Option<Vec<Spec>> {
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
