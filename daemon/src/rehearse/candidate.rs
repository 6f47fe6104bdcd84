//! The policies as they would be after the change: everything that is in force, less what is replaced or
//! deleted, and what is new.

use flowd_policy::{Contents, PolicySet, read};

use super::RehearseError;
use crate::why::PolicyView;

/// The name findings give the text of the change.
const NAME: &str = "(candidate)";

/// The policies after the change.
pub(super) struct Candidate {
    pub(super) policies: PolicySet,
    pub(super) notes: Vec<String>,
}

/// The candidate of a change.
pub(super) fn of(
    view: &PolicyView,
    yaml: &str,
    delete: &[String],
) -> Result<Candidate, RehearseError> {
    let new = read(NAME, yaml).map_err(RehearseError::Invalid)?;
    let mut files: Vec<Contents> = Vec::new();
    for (name, text) in &view.files {
        // What is in force was valid when it was loaded.
        files.push(read(name, text).map_err(RehearseError::Invalid)?);
    }
    let mut notes: Vec<String> = new
        .policies
        .iter()
        .flat_map(|policy| policy.warnings.iter().map(ToString::to_string))
        .collect();
    let known: Vec<String> = files.iter().flat_map(names).collect();
    let mut gone = names(&new);
    for wanted in delete {
        gone.push(find(&known, wanted)?);
    }
    for contents in &mut files {
        contents
            .policies
            .retain(|policy| !gone.contains(&policy.reference.to_string()));
        contents
            .groups
            .retain(|group| !gone.contains(&group_name(&group.name)));
        for service in &new.services {
            contents
                .services
                .retain(|old| (&old.name, &old.namespace) != (&service.name, &service.namespace));
        }
    }
    if !new.namespaces.is_empty() {
        notes.push("labels of namespaces are taken as they are now".to_owned());
    }
    files.push(new);
    Ok(Candidate {
        policies: PolicySet::assemble(&files).with_options(view.policies.options()),
        notes,
    })
}

fn names(contents: &Contents) -> Vec<String> {
    let policies = contents.policies.iter();
    let groups = contents.groups.iter();
    policies
        .map(|policy| policy.reference.to_string())
        .chain(groups.map(|group| group_name(&group.name)))
        .collect()
}

fn group_name(name: &str) -> String {
    format!("CiliumCIDRGroup/{name}")
}

/// The object a name means: `Kind/namespace/name`, or the end of it.
fn find(known: &[String], wanted: &str) -> Result<String, RehearseError> {
    let ends = |name: &&String| *name == wanted || name.ends_with(&format!("/{wanted}"));
    let found: Vec<&String> = known.iter().filter(ends).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(RehearseError::NotFound(format!(
            "no policy in force is called {wanted}"
        ))),
        several => Err(RehearseError::NotFound(format!(
            "{wanted} could be {}",
            several
                .iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>()
                .join(" or ")
        ))),
    }
}
