//! A CiliumCIDRGroup: address blocks under one name.

use super::{
    field::Object,
    metadata::{self, FIELDS},
    peers,
};
use crate::{object::CidrGroup, syntax};

pub(super) fn read(object: &Object<'_>) -> Option<CidrGroup> {
    let metadata = object
        .require("metadata", "write metadata: {name: ...}")?
        .object(&FIELDS, &[])?;
    let name = metadata.require("name", "every group needs a name")?;
    let name = metadata::checked(name, syntax::dns_subdomain)?;
    let labels = metadata::labels(&metadata)?;
    let spec = object
        .require("spec", "write spec: {externalCIDRs: [...]}")?
        .object(&["externalCIDRs"], &[])?;
    let blocks = spec.require("externalCIDRs", "list prefixes, or write []")?;
    let cidrs: Vec<Option<_>> = blocks.items()?.iter().map(peers::prefix).collect();
    Some(CidrGroup {
        name,
        labels,
        cidrs: cidrs.into_iter().collect::<Option<_>>()?,
        file: object.field().report().file().to_owned(),
        line: object.field().line(),
    })
}
