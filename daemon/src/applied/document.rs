//! One text of several objects, taken apart into files of one object each.

use flowd_policy::{Contents, Diagnostic};

use super::files;

/// The name findings give a text that is in no file.
const NAME: &str = "(applied)";

/// One document of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// What is in it, as `Kind/namespace/name`.
    pub(super) objects: Vec<String>,
    /// What their author should know.
    pub(super) notes: Vec<String>,
    /// Its own text.
    pub(super) text: String,
    /// Whether its policies are shadow policies. One document is one file of the store, which holds
    /// either kind.
    pub(super) shadow: bool,
}

/// Reads a file of the store, whose name says whether its policies are shadow policies.
///
/// # Errors
///
/// Everything that is wrong with the text.
pub fn read(file: &str, text: &str) -> Result<Contents, Vec<Diagnostic>> {
    let mut contents = flowd_policy::read(file, text)?;
    if files::is_shadow(file) {
        contents.make_shadow();
    }
    Ok(contents)
}

/// Reads a text as a whole, then document by document. With `shadow`, every policy is one.
///
/// # Errors
///
/// Everything that is wrong with the text, and what cannot be a shadow policy.
pub(super) fn take_apart(text: &str, shadow: bool) -> Result<Vec<Document>, Vec<Diagnostic>> {
    flowd_policy::read(NAME, text)?;
    let mut documents = Vec::new();
    for part in parts(text) {
        let contents = flowd_policy::read(NAME, &part)?;
        let objects = names(&contents);
        if objects.is_empty() {
            continue;
        }
        let shadow = kind(&contents, shadow)?;
        let warnings = contents.policies.iter().flat_map(|policy| &policy.warnings);
        documents.push(Document {
            objects,
            notes: warnings.map(ToString::to_string).collect(),
            text: part,
            shadow,
        });
    }
    Ok(documents)
}

/// Whether the policies of a document are shadow policies.
fn kind(contents: &Contents, asked: bool) -> Result<bool, Vec<Diagnostic>> {
    let mut policies = contents.policies.iter();
    let shadow = asked || policies.any(|policy| policy.shadow);
    let finding = |line, message: String, help: &str| {
        Err(vec![Diagnostic {
            file: NAME.to_owned(),
            line,
            column: 1,
            path: String::new(),
            message,
            help: help.to_owned(),
        }])
    };
    if !shadow {
        return Ok(false);
    }
    if let Some(group) = contents.groups.first() {
        let message = format!("the CiliumCIDRGroup {} cannot be shadow", group.name);
        return finding(group.line, message, "apply it on its own, without --shadow");
    }
    let mut policies = contents.policies.iter();
    match policies.find(|policy| !asked && !policy.shadow) {
        Some(policy) => finding(
            policy.reference.line,
            format!(
                "{} is not shadow, as others of its list are",
                policy.reference
            ),
            "apply them as documents of their own, between lines of ---",
        ),
        None => Ok(true),
    }
}

/// The objects of a file, as `Kind/namespace/name`.
pub(super) fn names(contents: &Contents) -> Vec<String> {
    let policies = contents
        .policies
        .iter()
        .map(|policy| policy.reference.to_string());
    let groups = contents
        .groups
        .iter()
        .map(|group| format!("CiliumCIDRGroup/{}", group.name));
    policies.chain(groups).collect()
}

/// The documents of a YAML stream (YAML 1.2, section 9.2: a line that starts with `---` begins the
/// next one).
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let marker = line.strip_prefix("---");
        if let Some(rest) = marker.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            parts.push(rest.trim_start().to_owned());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
        if let Some(part) = parts.last_mut()
            && !part.is_empty()
        {
            part.push('\n');
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str) -> String {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{endpointSelector: {{}}, ingress: [{{}}]}}\n"
        )
    }

    #[test]
    fn each_document_becomes_a_text_of_its_own() {
        let text = format!(
            "# two\n---\n{}--- # second\n{}---\n",
            policy("a"),
            policy("b")
        );
        let documents = take_apart(&text, false).expect("valid");
        let objects: Vec<_> = documents
            .iter()
            .map(|document| document.objects[0].as_str())
            .collect();
        assert_eq!(
            objects,
            [
                "CiliumNetworkPolicy/default/a",
                "CiliumNetworkPolicy/default/b"
            ]
        );
        assert!(!documents[0].text.contains("name: b"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_in_the_whole_text() {
        let text = format!(
            "{}---\n{}",
            policy("a"),
            policy("b").replace("ingress", "ingres")
        );
        let findings = take_apart(&text, false).expect_err("invalid");
        assert_eq!((findings[0].file.as_str(), findings[0].line), (NAME, 9));
    }
}
