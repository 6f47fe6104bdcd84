//! The policies in force and the workloads they are about, as readers see them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use flowd_policy::{Labels, NamedPorts, Policy, PolicySet};

use crate::resolve::Plan;
use crate::serve::status::Mode;

/// Everything a verdict follows from, at one moment.
#[derive(Clone, Debug, Default)]
pub struct PolicyView {
    /// The policies.
    pub policies: PolicySet,
    /// The guarded workloads.
    pub workloads: Vec<Workload>,
    /// The host's own addresses.
    pub host: Vec<IpAddr>,
    /// The text of each policy file that is in force, as it was loaded.
    pub files: HashMap<String, Arc<str>>,
    /// The shadow policies, where there are some.
    pub shadows: Option<ShadowView>,
}

/// Policies that are judged and not enforced.
#[derive(Clone, Debug, Default)]
pub struct ShadowView {
    /// They alone.
    pub alone: Arc<PolicySet>,
    /// What would be in force were they enforced.
    pub as_if: Arc<PolicySet>,
}

/// A guarded workload.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels, the namespace's among them.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The named ports of its identity.
    pub ports: NamedPorts,
    /// The generation it ought to enforce.
    pub generation: u32,
    /// What is done with a denial.
    pub mode: Mode,
}

impl Workload {
    /// `namespace/name`, or the name alone of the host, which is in no namespace.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() {
            return self.name.clone();
        }
        format!("{}/{}", self.namespace, self.name)
    }
}

impl PolicyView {
    /// The view of a plan made from these policies.
    pub fn of(
        plan: &Plan,
        policies: &PolicySet,
        host: Vec<IpAddr>,
        files: HashMap<String, Arc<str>>,
    ) -> Self {
        let mut ports: HashMap<&Labels, NamedPorts> = HashMap::new();
        for endpoint in plan.endpoints.values() {
            let of_identity = ports.entry(&endpoint.spec.labels).or_default();
            of_identity.merge(&endpoint.spec.ports);
        }
        let workloads = plan.each().map(|endpoint| Workload {
            namespace: endpoint.spec.namespace.clone(),
            name: endpoint.spec.name.clone(),
            labels: endpoint.spec.labels.clone(),
            addresses: endpoint.addresses.to_vec(),
            ports: ports
                .get(&endpoint.spec.labels)
                .cloned()
                .unwrap_or_default(),
            generation: endpoint.value.generation,
            mode: endpoint.spec.mode,
        });
        Self {
            policies: policies.clone(),
            workloads: workloads.collect(),
            host,
            files,
            shadows: None,
        }
    }

    /// The policies in force, and the shadow policies.
    pub fn known(&self) -> impl Iterator<Item = &Policy> {
        let shadows = self.shadows.iter();
        let shadows = shadows.flat_map(|shadows| shadows.alone.policies());
        self.policies.policies().chain(shadows)
    }

    /// The workload of this namespace and name.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Workload> {
        let mut workloads = self.workloads.iter();
        workloads.find(|workload| workload.namespace == namespace && workload.name == name)
    }

    /// The workload that has this address.
    pub fn owner(&self, address: IpAddr) -> Option<&Workload> {
        let mut workloads = self.workloads.iter();
        workloads.find(|workload| workload.addresses.contains(&address))
    }
}

/// The view of this moment; cheap to clone, swapped as a whole.
#[derive(Clone, Debug, Default)]
pub struct PolicyViewHandle(Arc<ArcSwap<PolicyView>>);

impl PolicyViewHandle {
    /// Swaps in a new view.
    pub fn store(&self, view: PolicyView) {
        self.0.store(Arc::new(view));
    }

    /// The view of this moment, to keep.
    pub fn snapshot(&self) -> Arc<PolicyView> {
        self.0.load_full()
    }
}
