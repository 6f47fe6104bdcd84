//! From YAML documents to policies, with every default filled in.

mod cidr_group;
mod cluster_network_policy;
mod cluster_peers;
mod document;
pub(crate) mod field;
mod icmp;
mod layer7;
mod metadata;
mod names;
mod namespace;
mod network_policy;
mod peers;
mod ports;
pub(crate) mod report;
mod rule;
mod selector;
mod service;
mod spec;

use std::sync::Arc;

use crate::{
    diagnostic::Diagnostic,
    object::{CidrGroup, Policy, Service, ServiceAddresses},
    yaml,
};
pub use namespace::{Namespace, NamespaceMode};
use report::Report;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its policies; the same ones for as long as the file is not read again.
    pub policies: Vec<Arc<Policy>>,
    /// Its CIDR groups, for [`PolicySet::assemble`](crate::PolicySet::assemble).
    pub groups: Vec<CidrGroup>,
    /// Its services.
    pub services: Vec<Service>,
    /// Its addresses behind services without a selector.
    pub addresses: Vec<ServiceAddresses>,
    /// Its namespaces.
    pub namespaces: Vec<Namespace>,
}

impl Contents {
    /// Makes every policy a shadow policy, whatever its annotations say.
    pub fn make_shadow(&mut self) {
        for policy in &mut self.policies {
            Arc::make_mut(policy).shadow = true;
        }
    }
}

/// Reads one file of YAML or JSON documents. `file` is only a name, for findings and for flows.
///
/// A file is taken as a whole: one finding refuses everything in it.
///
/// # Errors
/// Everything that is wrong with the file, in the order of its lines.
pub fn read(file: &str, text: &str) -> Result<Contents, Vec<Diagnostic>> {
    let report = Report::new(file);
    let documents = match yaml::documents(text) {
        Ok(documents) => documents,
        Err(broken) => {
            report.error(broken.place, "", broken.message, String::new());
            return Err(report.into_errors());
        }
    };
    let mut contents = Contents::default();
    for document in &documents {
        document::read(&report, document, &mut contents);
    }
    let errors = report.into_errors();
    if errors.is_empty() {
        Ok(contents)
    } else {
        Err(errors)
    }
}

/// Reads the policies of one file, for callers that have no use for the objects policies name.
///
/// # Errors
/// As [`read`], and when the file holds a CIDR group.
pub fn parse(file: &str, text: &str) -> Result<Vec<Policy>, Vec<Diagnostic>> {
    let contents = read(file, text)?;
    let unused = |group: CidrGroup| Diagnostic {
        file: group.file,
        line: group.line,
        column: 1,
        path: String::new(),
        message: format!("the CiliumCIDRGroup {} is not used here", group.name),
        help: "only policies are read; list the prefixes in the policy".to_owned(),
    };
    if contents.groups.is_empty() {
        Ok(contents
            .policies
            .into_iter()
            .map(Arc::unwrap_or_clone)
            .collect())
    } else {
        Err(contents.groups.into_iter().map(unused).collect())
    }
}
