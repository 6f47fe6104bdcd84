//! Label selectors: which label sets a policy means.

use std::{collections::BTreeSet, fmt};

use crate::labels::{Labels, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX, SOURCE_RESERVED};

/// The key of a requirement; without a source it means a label of any source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// `k8s`, `reserved`, ...; `None` is any.
    pub source: Option<String>,
    /// The key itself.
    pub name: String,
}

impl Key {
    /// A key of one source.
    pub fn of(source: &str, name: &str) -> Self {
        Self {
            source: Some(source.to_owned()),
            name: name.to_owned(),
        }
    }

    /// A key of any source.
    pub fn any(name: &str) -> Self {
        Self {
            source: None,
            name: name.to_owned(),
        }
    }

    pub(crate) fn values<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        labels.values(self.source.as_deref(), &self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            self.source.as_deref().unwrap_or("any"),
            self.name
        )
    }
}

/// One condition on a label set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// The key is there with one of these values.
    In(Key, BTreeSet<String>),
    /// The key is absent, or has none of these values.
    NotIn(Key, BTreeSet<String>),
    /// The key is there.
    Exists(Key),
    /// The key is absent.
    DoesNotExist(Key),
}

impl Requirement {
    /// The requirement that `key` has exactly this value.
    pub fn equals(key: Key, value: &str) -> Self {
        Self::In(key, BTreeSet::from([value.to_owned()]))
    }

    /// The key the requirement is about.
    pub const fn key(&self) -> &Key {
        match self {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key) => key,
        }
    }

    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => key.values(labels).any(|value| values.contains(value)),
            Self::NotIn(key, values) => !key.values(labels).any(|value| values.contains(value)),
            Self::Exists(key) => key.values(labels).next().is_some(),
            Self::DoesNotExist(key) => key.values(labels).next().is_none(),
        }
    }
}

/// All requirements must hold; none at all selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(BTreeSet<Requirement>);

impl Selector {
    /// Adds a requirement.
    #[must_use]
    pub fn and(mut self, requirement: Requirement) -> Self {
        self.0.insert(requirement);
        self
    }

    /// The requirements in order.
    pub fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.0.iter()
    }

    /// Whether every requirement holds for `labels`.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a requirement is about a reserved label.
    pub fn names_reserved(&self) -> bool {
        self.0
            .iter()
            .any(|requirement| requirement.key().source.as_deref() == Some(SOURCE_RESERVED))
    }

    /// Whether a requirement is about `reserved:<name>`.
    pub fn names_reserved_key(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|requirement| *requirement.key() == Key::of(SOURCE_RESERVED, name))
    }

    /// Whether a requirement is about the namespace or a label of the namespace.
    pub fn names_namespace(&self) -> bool {
        self.0.iter().any(|requirement| {
            let name = &requirement.key().name;
            name == NAMESPACE_KEY || name.starts_with(NAMESPACE_LABELS_PREFIX)
        })
    }

    /// Drops the requirements `keep` refuses.
    #[must_use]
    pub fn retain(mut self, keep: impl FnMut(&Requirement) -> bool) -> Self {
        self.0.retain(keep);
        self
    }

    /// The only values the key may have, when the selector says so.
    pub(crate) fn only_values(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.iter().find_map(|requirement| match requirement {
            Requirement::In(key, values) if key.name == name => Some(values),
            Requirement::In(..)
            | Requirement::NotIn(..)
            | Requirement::Exists(_)
            | Requirement::DoesNotExist(_) => None,
        })
    }
}

impl FromIterator<Requirement> for Selector {
    fn from_iter<I: IntoIterator<Item = Requirement>>(requirements: I) -> Self {
        Self(requirements.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Label;

    fn labels(texts: &[&str]) -> Labels {
        texts.iter().map(|text| Label::parse(text)).collect()
    }

    fn values(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn absent_keys_satisfy_only_the_negative_operators() {
        let web = labels(&["k8s:app=web"]);
        let key = || Key::any("tier");
        assert!(!Requirement::In(key(), values(&["a"])).matches(&web));
        assert!(Requirement::NotIn(key(), values(&["a"])).matches(&web));
        assert!(!Requirement::Exists(key()).matches(&web));
        assert!(Requirement::DoesNotExist(key()).matches(&web));
    }

    #[test]
    fn a_source_narrows_the_key() {
        let web = labels(&["k8s:app=web"]);
        assert!(Requirement::equals(Key::any("app"), "web").matches(&web));
        assert!(Requirement::equals(Key::of("k8s", "app"), "web").matches(&web));
        assert!(!Requirement::equals(Key::of("container", "app"), "web").matches(&web));
    }

    #[test]
    fn any_source_sees_every_label_of_the_key() {
        let two = labels(&["k8s:app=web", "container:app=api"]);
        assert!(Requirement::equals(Key::any("app"), "web").matches(&two));
        assert!(Requirement::equals(Key::any("app"), "api").matches(&two));
        assert!(!Requirement::NotIn(Key::any("app"), values(&["api"])).matches(&two));
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(Selector::default().matches(&labels(&[])));
        assert!(Selector::default().matches(&labels(&["reserved:world"])));
    }
}
