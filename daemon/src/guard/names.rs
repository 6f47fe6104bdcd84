//! The directory of names that goes with a plan.

use std::sync::Arc;

use flowd_abi::Peer;
use flowd_policy::Labels;

use crate::{
    enrich::{Directory, Workload},
    kernel::links::Link,
    resolve::Resolver,
};

/// Everything the flows of this plan, and of those before it, may name.
pub(super) fn directory(
    node_name: &str,
    node: &Labels,
    resolver: &Resolver,
    host: &[Link],
) -> Directory {
    let (numbers, plan) = (resolver.numbers(), resolver.plan());
    let mut directory = Directory {
        node_name: node_name.to_owned(),
        rules: Arc::new(numbers.rules.clone()),
        ..Directory::default()
    };
    for link in host {
        directory.interfaces.insert(link.index, link.name.clone());
    }
    for (labels, identity) in &numbers.identities {
        let labels: Arc<[String]> = labels.split(',').map(str::to_owned).collect();
        directory.identities.insert(*identity, labels);
    }
    let node: Arc<[String]> = node.iter().map(ToString::to_string).collect();
    directory.identities.insert(Peer::HOST_IDENTITY, node);
    for (prefix, class) in &numbers.classes {
        directory.classes.insert(*class, prefix.to_string());
    }
    for (class, number) in &numbers.pod_classes {
        let prefix = class.split(' ').next().unwrap_or_default();
        directory.classes.insert(*number, prefix.to_owned());
    }
    for (policy, deniers) in &numbers.default_deny {
        let deniers = deniers.iter().cloned().map(Arc::new).collect();
        directory.default_deny.insert(*policy, deniers);
    }
    for endpoint in plan.endpoints.values() {
        let labels = endpoint
            .spec
            .labels
            .iter()
            .map(ToString::to_string)
            .collect();
        // To clients the host is its identity and no pod: it has no name, and as a peer is found by
        // its identity alone.
        let (name, addresses) = if endpoint.spec.is_host() {
            (String::new(), Vec::new())
        } else {
            (endpoint.spec.name.clone(), endpoint.addresses.to_vec())
        };
        directory.add(Workload {
            endpoint_id: endpoint.value.id,
            identity: endpoint.value.identity,
            namespace: endpoint.spec.namespace.clone(),
            name,
            labels,
            addresses,
            workloads: Vec::new(),
        });
    }
    directory
}
