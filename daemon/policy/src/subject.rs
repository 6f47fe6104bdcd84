//! Whose traffic is judged: workloads and nodes, which no selector confuses.

use crate::{labels::Labels, selector::Selector};

/// One whose policy is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A workload.
    Endpoint {
        /// Its labels.
        labels: &'a Labels,
    },
    /// A node, by its own addresses.
    Node {
        /// `reserved:host`, and the labels its owner gave it.
        labels: &'a Labels,
    },
}

impl<'a> Subject<'a> {
    /// The node when the labels say `reserved:host`, else a workload.
    pub fn of(labels: &'a Labels) -> Self {
        if labels.is_reserved("host") {
            Self::Node { labels }
        } else {
            Self::Endpoint { labels }
        }
    }

    /// Its labels.
    pub const fn labels(self) -> &'a Labels {
        match self {
            Self::Endpoint { labels } | Self::Node { labels } => labels,
        }
    }
}

/// Those a spec is about: a selector of workloads means no node, however empty it is, and one of
/// nodes no workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// Workloads with these labels.
    Endpoints(Selector),
    /// Nodes with these labels.
    Nodes(Selector),
}

impl Subjects {
    /// Whether `subject` is one of them.
    pub fn matches(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Endpoints(selector), Subject::Endpoint { labels })
            | (Self::Nodes(selector), Subject::Node { labels }) => selector.matches(labels),
            (Self::Endpoints(_), Subject::Node { .. })
            | (Self::Nodes(_), Subject::Endpoint { .. }) => false,
        }
    }

    /// What their labels must be.
    pub const fn selector(&self) -> &Selector {
        match self {
            Self::Endpoints(selector) | Self::Nodes(selector) => selector,
        }
    }

    /// The same kind of subjects, whatever their labels.
    #[must_use]
    pub fn everyone(&self) -> Self {
        match self {
            Self::Endpoints(_) => Self::Endpoints(Selector::default()),
            Self::Nodes(_) => Self::Nodes(Selector::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_selector_of_one_kind_means_nobody_of_the_other() {
        let host = Labels::reserved(&["host"]);
        let (node, endpoint) = (Subject::of(&host), Subject::Endpoint { labels: &host });
        assert_eq!(node, Subject::Node { labels: &host });
        let nodes = Subjects::Nodes(Selector::default());
        assert!(nodes.matches(node) && !nodes.matches(endpoint));
        let endpoints = Subjects::Endpoints(Selector::default());
        assert!(endpoints.matches(endpoint) && !endpoints.matches(node));
    }
}
