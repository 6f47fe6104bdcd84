//! Labels: what an endpoint is, as policies and flows name it (`source:key=value`).

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::syntax;

/// Source of labels that come from Kubernetes or from an endpoint file.
pub const SOURCE_K8S: &str = "k8s";
/// Source of the labels of reserved identities.
pub const SOURCE_RESERVED: &str = "reserved";
/// The source that matches every source.
pub const SOURCE_ANY: &str = "any";
/// Key of the label that carries an endpoint's namespace.
pub const NAMESPACE_KEY: &str = "io.kubernetes.pod.namespace";
/// Prefix of the keys that carry the labels of an endpoint's namespace.
pub const NAMESPACE_LABELS_PREFIX: &str = "io.cilium.k8s.namespace.labels.";
/// Key of the label that carries the name of an endpoint's cluster.
pub const CLUSTER_KEY: &str = "io.cilium.k8s.policy.cluster";
/// Name of the only cluster a flowd knows.
pub const CLUSTER: &str = "default";
/// The label Kubernetes gives every namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// An endpoint with more labels than this is refused: each costs every selector.
pub const MAX_LABELS: usize = 256;

/// Why a label or a set of labels is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The key is not a label key.
    #[error("label key {key:?} is not valid: {reason}")]
    Key {
        /// The key, shortened for display.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value is not a label value.
    #[error("value {value:?} of label {key:?} is not valid: {reason}")]
    Value {
        /// The label's key.
        key: String,
        /// The value, shortened for display.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The namespace is not a namespace name.
    #[error("namespace {namespace:?} is not valid: {reason}")]
    Namespace {
        /// The namespace, shortened for display.
        namespace: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than [`MAX_LABELS`] labels.
    #[error("{0} labels on one endpoint; at most {MAX_LABELS} are allowed")]
    TooMany(usize),
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Label {
    source: Box<str>,
    key: Box<str>,
    value: Box<str>,
}

impl Label {
    /// A label from its parts.
    pub fn new(source: &str, key: &str, value: &str) -> Self {
        Self {
            source: source.into(),
            key: key.into(),
            value: value.into(),
        }
    }

    /// Reads `source:key=value`. Without a source the label is of source `any`, without a value
    /// its value is empty.
    pub fn parse(text: &str) -> Self {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (source, key) = name.split_once(':').unwrap_or((SOURCE_ANY, name));
        Self::new(source, key, value)
    }

    /// Where the label comes from: `k8s`, `reserved`, ...
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The key, without its source.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value, often empty.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.key)?;
        if self.value.is_empty() {
            return Ok(());
        }
        write!(f, "={}", self.value)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.to_string()
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

/// A sorted set of labels, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Vec<Label>", from = "Vec<Label>")]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The label set of a reserved identity, from the names of its `reserved:` labels.
    pub fn reserved(names: &[&str]) -> Self {
        names
            .iter()
            .map(|name| Label::new(SOURCE_RESERVED, name, ""))
            .collect()
    }

    /// The labels in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Label> {
        self.0.iter()
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of every label with this key, from one source or (`None`) from any.
    pub fn values<'a>(
        &'a self,
        source: Option<&'a str>,
        key: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |label| {
                label.key() == key && source.is_none_or(|source| label.source() == source)
            })
            .map(Label::value)
    }

    /// Whether the set carries the label `reserved:<name>`.
    pub fn is_reserved(&self, name: &str) -> bool {
        self.values(Some(SOURCE_RESERVED), name).next().is_some()
    }

    /// The namespace the endpoint lives in, if it lives in one.
    pub fn namespace(&self) -> Option<&str> {
        self.values(Some(SOURCE_K8S), NAMESPACE_KEY).next()
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut labels: Vec<Label> = labels.into_iter().collect();
        labels.sort();
        labels.dedup();
        Self(labels.into())
    }
}

impl From<Vec<Label>> for Labels {
    fn from(labels: Vec<Label>) -> Self {
        labels.into_iter().collect()
    }
}

impl From<Labels> for Vec<Label> {
    fn from(labels: Labels) -> Self {
        labels.0.to_vec()
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{label}")?;
        }
        Ok(())
    }
}

/// The labels of an endpoint in `namespace` with the labels its owner gave it.
///
/// # Errors
/// When the namespace, a key or a value is not one Kubernetes would take.
pub fn for_endpoint<'a>(
    namespace: &str,
    user: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Labels, LabelError> {
    for_endpoint_in(namespace, &BTreeMap::new(), user)
}

/// Like [`for_endpoint`], for a namespace that has labels of its own.
///
/// # Errors
/// When the namespace, a key or a value is not one Kubernetes would take.
pub fn for_endpoint_in<'a>(
    namespace: &str,
    namespace_labels: &BTreeMap<String, String>,
    user: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Labels, LabelError> {
    syntax::dns_label(namespace).map_err(|reason| LabelError::Namespace {
        namespace: syntax::shorten(namespace),
        reason,
    })?;
    let mut labels = vec![
        Label::new(SOURCE_K8S, NAMESPACE_KEY, namespace),
        Label::new(SOURCE_K8S, CLUSTER_KEY, CLUSTER),
        namespace_label(NAMESPACE_NAME_LABEL, namespace),
    ];
    for (key, value) in namespace_labels {
        check(key, value)?;
        if key != NAMESPACE_NAME_LABEL {
            labels.push(namespace_label(key, value));
        }
    }
    for (key, value) in user {
        check(key, value)?;
        labels.push(Label::new(SOURCE_K8S, key, value));
    }
    if labels.len() > MAX_LABELS {
        return Err(LabelError::TooMany(labels.len()));
    }
    Ok(labels.into())
}

fn namespace_label(key: &str, value: &str) -> Label {
    Label::new(
        SOURCE_K8S,
        &format!("{NAMESPACE_LABELS_PREFIX}{key}"),
        value,
    )
}

fn check(key: &str, value: &str) -> Result<(), LabelError> {
    syntax::label_key(key).map_err(|reason| LabelError::Key {
        key: syntax::shorten(key),
        reason,
    })?;
    syntax::label_value(value).map_err(|reason| LabelError::Value {
        key: key.to_owned(),
        value: syntax::shorten(value),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_three_parts() {
        for text in ["k8s:app=web", "reserved:host", "any:a.b/c=d=e"] {
            assert_eq!(Label::parse(text).to_string(), text);
        }
        assert_eq!(Label::parse("app=web"), Label::new("any", "app", "web"));
    }

    #[test]
    fn a_set_is_sorted_and_without_doubles() {
        let labels: Labels = ["k8s:b=1", "k8s:a=2", "k8s:b=1"]
            .map(Label::parse)
            .into_iter()
            .collect();
        assert_eq!(labels.to_string(), "k8s:a=2,k8s:b=1");
    }

    #[test]
    fn an_endpoint_carries_namespace_and_cluster() {
        let labels = for_endpoint("shop", [("app", "web")]).unwrap();
        assert_eq!(
            labels.to_string(),
            "k8s:app=web,\
             k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop,\
             k8s:io.cilium.k8s.policy.cluster=default,\
             k8s:io.kubernetes.pod.namespace=shop"
        );
        assert_eq!(labels.namespace(), Some("shop"));
    }

    #[test]
    fn an_endless_label_is_one_short_error() {
        let endless = "x".repeat(10 << 20);
        let error = for_endpoint("shop", [("app", endless.as_str())]).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
        let error = for_endpoint("shop", [(endless.as_str(), "web")]).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn labels_survive_serialisation() {
        let labels = for_endpoint("shop", [("app", "web"), ("bare", "")]).unwrap();
        let text = serde_json::to_string(&labels).unwrap();
        assert_eq!(serde_json::from_str::<Labels>(&text).unwrap(), labels);
    }
}
