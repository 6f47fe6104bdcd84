//! The directory of names and the view of policies that go with a plan.

use std::sync::Arc;

use flowd_abi::Peer;
use flowd_policy::Labels;

use super::{Control, Parts, discover};
use crate::{
    enrich::{Directory, Workload},
    kernel::links::Link,
    resolve::Resolver,
    shadow::ShadowTables,
    why::{PolicyView, ShadowView},
};

/// Everything the flows of this plan, and of those before it, may name.
fn directory(node_name: &str, node: &Labels, resolver: &Resolver, host: &[Link]) -> Directory {
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

impl Control {
    /// Names are published before the tables that use them.
    pub(super) fn name(&mut self) {
        let shadow = self.shadow();
        let Parts {
            resolver,
            directory,
            node_name,
            view,
            policies,
            applied_files,
            ..
        } = &self.parts;
        let files = policies.texts().chain(applied_files.texts()).collect();
        let host = discover::host_addresses(&self.host);
        let node = &self.parts.host.settings.labels;
        let shadows = &self.shadows;
        let shadows = (!shadows.is_empty()).then(|| ShadowView {
            alone: Arc::clone(shadows.policies()),
            as_if: Arc::clone(shadows.as_if()),
        });
        view.store(PolicyView {
            shadows,
            ..PolicyView::of(resolver.plan(), &self.set, host, files)
        });
        directory.store(Directory {
            shadow,
            ..self::directory(node_name, node, resolver, &self.host)
        });
    }

    /// What would be in force were the shadow policies enforced.
    fn shadow(&mut self) -> Option<Arc<ShadowTables>> {
        let tables = self.shadows.tables(self.parts.resolver.plan());
        self.unshadowed = tables.as_ref().err().map(|error| {
            format!("shadow policies are not judged; what is enforced is not touched: {error}")
        });
        tables.ok().flatten()
    }

    pub(super) fn save(&mut self) {
        let saved = self.parts.resolver.numbers().save(&self.parts.numbers);
        // Tried again at every look: said once.
        let was_unsaved = std::mem::replace(&mut self.unsaved, saved.is_err());
        let path = self.parts.numbers.display();
        match saved {
            Err(error) if !was_unsaved => tracing::error!(%error, %path, "numbers not saved"),
            Ok(()) if was_unsaved => tracing::info!(%path, "numbers saved again"),
            Ok(()) | Err(_) => {}
        }
    }
}
