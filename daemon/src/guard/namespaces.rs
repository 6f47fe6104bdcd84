//! Labels of namespaces: whoever labels a namespace labels every endpoint in it.

use std::{collections::BTreeMap, sync::Arc};

use flowd_policy::{
    Contents, Label, Namespace,
    labels::{MAX_LABELS, NAMESPACE_LABELS_PREFIX, SOURCE_K8S},
};

use super::discover::Failure;
use crate::endpoints::EndpointSpec;

/// The label every namespace has from its name, which endpoints have already.
const NAME: &str = "kubernetes.io/metadata.name";

/// Gives each endpoint the labels of its namespace. One that would have too many cannot be guarded.
pub(super) fn label<'a>(
    specs: Vec<Arc<EndpointSpec>>,
    contents: impl Iterator<Item = &'a Contents>,
) -> (Vec<Arc<EndpointSpec>>, Vec<Failure>) {
    let mut namespaces: BTreeMap<&str, Vec<Label>> = BTreeMap::new();
    for Namespace { name, labels, .. } in contents.flat_map(|file| &file.namespaces) {
        let labels = labels.iter().filter(|(key, _)| *key != NAME);
        let labels = labels.map(|(key, value)| {
            Label::new(
                SOURCE_K8S,
                &format!("{NAMESPACE_LABELS_PREFIX}{key}"),
                value,
            )
        });
        namespaces.entry(name).or_default().extend(labels);
    }
    let (mut labelled, mut failures) = (Vec::new(), Vec::new());
    for mut spec in specs {
        if let Some(more) = namespaces.get(spec.namespace.as_str()) {
            let all = spec.labels.iter().chain(more);
            let labels = all.cloned().collect();
            Arc::make_mut(&mut spec).labels = labels;
        }
        if spec.labels.len() <= MAX_LABELS {
            labelled.push(spec);
        } else {
            let why = format!(
                "{} labels with those of its namespace; at most {MAX_LABELS}",
                spec.labels.len()
            );
            failures.push(Failure { spec, why });
        }
    }
    (labelled, failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::parse;

    fn spec(name: &str, namespace: &str) -> Arc<EndpointSpec> {
        let text = format!(
            "apiVersion: flowd.io/v1
kind: Endpoint
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec: {{addresses: [10.0.0.1], attach: {{interface: {name}}}}}
"
        );
        Arc::new(parse("e.yaml", &text).unwrap().remove(0))
    }

    fn namespace(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Contents {
        let labels = labels.into_iter().collect();
        Contents {
            namespaces: vec![Namespace {
                name: name.to_owned(),
                labels,
                mode: None,
            }],
            ..Contents::default()
        }
    }

    #[test]
    fn endpoints_have_the_labels_of_their_namespace_and_of_no_other() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let labels = [pair("env", "prod"), pair(NAME, "lie")];
        let contents = [namespace("shop", labels)];
        let before = vec![spec("web", "shop"), spec("api", "bank")];
        let (after, failures) = label(before.clone(), contents.iter());
        assert_eq!(failures, []);
        let env = format!("{NAMESPACE_LABELS_PREFIX}env");
        let values: Vec<&str> = after[0].labels.values(Some(SOURCE_K8S), &env).collect();
        assert_eq!(values, ["prod"]);
        assert_eq!(after[0].labels.len(), before[0].labels.len() + 1);
        assert_eq!(after[1], before[1]);
    }

    #[test]
    fn an_endpoint_with_too_many_labels_is_a_failure() {
        let many = (0..MAX_LABELS).map(|n| (format!("key-{n}"), String::new()));
        let contents = [namespace("shop", many)];
        let (after, failures) = label(vec![spec("web", "shop")], contents.iter());
        assert_eq!(after, []);
        assert!(
            failures[0].why.ends_with("at most 256"),
            "{}",
            failures[0].why
        );
    }
}
