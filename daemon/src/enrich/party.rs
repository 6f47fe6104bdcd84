//! One side of a flow, as it was known when the flow was told.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use flowd_policy::labels::{Label, Labels};

use super::reserved;

/// The only cluster a flowd knows.
pub const CLUSTER: &str = "default";

/// What a workload belongs to, for example a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkloadOwner {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
}

/// A guarded workload of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Endpoint id, as in events.
    pub endpoint_id: u32,
    /// Security identity of its label set.
    pub identity: u32,
    /// Namespace.
    pub namespace: String,
    /// Name; the pod's name in Kubernetes.
    pub name: String,
    /// Labels in Hubble's form, `source:key=value`.
    pub labels: Arc<[String]>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// What it belongs to.
    pub workloads: Vec<WorkloadOwner>,
}

/// One side of a flow. Immutable and shared by all flows that saw it in the same light.
#[derive(Debug)]
pub struct Party {
    /// A number of its own: no other party of this run has it.
    pub serial: u64,
    /// Endpoint id when it is a workload of this node, else 0.
    pub endpoint_id: u32,
    /// Identity the datapath judged it by.
    pub identity: u32,
    /// Namespace, empty when unknown.
    pub namespace: String,
    /// Name, empty when unknown.
    pub name: String,
    /// Labels in Hubble's form.
    pub labels: Vec<String>,
    /// The same labels, as selectors read them.
    pub label_set: Labels,
    /// The policy CIDR its address falls in, empty for none.
    pub cidr: String,
    /// What it belongs to.
    pub workloads: Vec<WorkloadOwner>,
    /// Its message, built by the first client's edge that needs it.
    pub(crate) encoded: OnceLock<Box<[u8]>>,
}

impl Party {
    /// Somebody known by identity only.
    pub fn identity(identity: u32, labels: Vec<String>) -> Self {
        static SERIALS: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            endpoint_id: 0,
            identity,
            namespace: String::new(),
            name: String::new(),
            label_set: labels.iter().map(|text| Label::parse(text)).collect(),
            labels,
            cidr: String::new(),
            workloads: Vec::new(),
            encoded: OnceLock::new(),
        }
    }

    /// A workload of this node, judged by `identity`. Labels follow the identity: when the
    /// datapath still holds another one than the directory, `labels` are those of that one.
    pub fn workload(workload: &Workload, identity: u32, labels: Vec<String>) -> Self {
        Self {
            endpoint_id: workload.endpoint_id,
            namespace: workload.namespace.clone(),
            name: workload.name.clone(),
            workloads: workload.workloads.clone(),
            ..Self::identity(identity, labels)
        }
    }

    /// An endpoint id nobody knows.
    pub fn unknown_endpoint(endpoint_id: u32) -> Self {
        Self {
            endpoint_id,
            ..Self::identity(0, vec![reserved::UNKNOWN.to_owned()])
        }
    }

    /// The same, in a policy CIDR.
    #[must_use]
    pub fn within(mut self, cidr: &str) -> Self {
        cidr.clone_into(&mut self.cidr);
        self
    }

    /// Whether it is outside of everything we know.
    pub fn is_world(&self) -> bool {
        reserved::is_world(self.identity)
    }

    /// Name of its cluster, empty for what is in none.
    pub fn cluster(&self) -> &'static str {
        if self.name.is_empty() { "" } else { CLUSTER }
    }
}
