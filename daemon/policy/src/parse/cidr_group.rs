//! A CiliumCIDRGroup: address blocks under one name.

use super::{
    field::Object,
    metadata::{self, FIELDS},
    peers,
};
use crate::{
    labels::{Label, Labels, SOURCE_K8S},
    object::CidrGroup,
    syntax,
};

pub(super) fn read(object: &Object<'_>) -> Option<CidrGroup> {
    let metadata = object
        .require("metadata", "write metadata: {name: ...}")?
        .object(&FIELDS, &[])?;
    let name = metadata.require("name", "every group needs a name")?;
    let name = metadata::checked(name, syntax::dns_subdomain)?;
    let labels = match metadata.get("labels") {
        None => Vec::new(),
        Some(labels) => labels
            .entries()?
            .into_iter()
            .map(|(key, value)| Some(Label::new(SOURCE_K8S, key, value.text()?)))
            .collect::<Option<_>>()?,
    };
    let spec = object
        .require("spec", "write spec: {externalCIDRs: [...]}")?
        .object(&["externalCIDRs"], &[])?;
    let blocks = spec.require("externalCIDRs", "list prefixes, or write []")?;
    let cidrs: Vec<Option<_>> = blocks.items()?.iter().map(peers::prefix).collect();
    Some(CidrGroup {
        name,
        labels: Labels::from(labels),
        cidrs: cidrs.into_iter().collect::<Option<_>>()?,
        file: object.field().report().file().to_owned(),
        line: object.field().line(),
    })
}
