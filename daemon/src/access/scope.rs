//! Which namespaces a client sees.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::flow::Record;
use crate::flow::happening::Happening;

/// What a client sees of flows and state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// What has to do with workloads of these namespaces.
    Namespaces(Arc<BTreeSet<String>>),
}

impl Scope {
    /// A scope of these namespaces.
    pub fn of(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self::Namespaces(Arc::new(namespaces.into_iter().collect()))
    }

    /// Whether something of this namespace is seen.
    #[inline]
    pub fn sees(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }

    /// Whether something is seen that may be of no namespace and then concerns everybody.
    pub fn concerns(&self, namespace: &str) -> bool {
        namespace.is_empty() || self.sees(namespace)
    }

    /// Whether a flow is seen: one of its ends is.
    #[inline]
    pub fn sees_flow(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => {
                names.contains(&record.local.namespace) || names.contains(&record.peer.namespace)
            }
        }
    }

    /// Whether an event of the timeline is seen.
    pub fn sees_event(&self, event: &Happening) -> bool {
        match event {
            Happening::Started { .. } | Happening::Generation(_) | Happening::BreakGlass(_) => true,
            Happening::Policy(_, policy) => self.concerns(&policy.namespace),
            Happening::Endpoint(_, endpoint) => self.sees(&endpoint.namespace),
            Happening::Enforced(endpoint) => self.sees(&endpoint.namespace),
            Happening::Address(address) => self.sees(&address.namespace),
            Happening::Service(_, service) => self.sees(&service.namespace),
            // One change may be about several namespaces.
            Happening::Applied(change) => change.objects.iter().all(|object| {
                let namespace = object.split('/').nth(1).unwrap_or_default();
                self.concerns(namespace)
            }),
        }
    }
}
