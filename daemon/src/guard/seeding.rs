//! The connections a workload or the host has already when it comes to be judged.

use std::sync::PoisonError;

use flowd_abi::{ConnectionKey, Peer, endpoint::EndpointFlags};

use super::applier::Applier;
use crate::clock::monotonic;
use crate::{
    endpoints,
    resolve::{Plan, PlannedEndpoint},
};

impl Applier {
    /// Endpoints that were not judged and are to be again: what they opened meanwhile is not known.
    pub(super) fn waking<'a>(&self, plan: &'a Plan) -> Vec<&'a PlannedEndpoint> {
        let slept = |ifindex: &u32| {
            let known = self.endpoints.get(ifindex);
            known.is_some_and(|(known, _)| known.has(EndpointFlags::OFF))
        };
        plan.endpoints
            .iter()
            .filter(|(ifindex, planned)| slept(ifindex) && !planned.value.has(EndpointFlags::OFF))
            .map(|(_, planned)| planned)
            .collect()
    }

    /// Enters the open connections of an endpoint's own socket table.
    pub(super) fn seed(&self, endpoint: &PlannedEndpoint, plan: &Plan) {
        let Some(namespace) = &endpoint.namespace else {
            return;
        };
        let name = endpoint.spec.key();
        let mut seeds = match endpoints::connections(namespace, endpoint.value.id, monotonic()) {
            Ok(seeds) => seeds,
            Err(error) => {
                tracing::warn!(endpoint = name, %error, "open connections cannot be read; packets in their middle are judged as they come");
                return;
            }
        };
        if endpoint.spec.is_host() {
            seeds.retain(|(key, _)| leaves(key, plan));
        }
        let mut sweep = self.sweep.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        for (key, connection) in &seeds {
            match sweep.seed(key, connection) {
                Ok(new) => taken += usize::from(new),
                Err(error) => {
                    tracing::warn!(endpoint = name, %error, "an open connection cannot be entered");
                    return;
                }
            }
        }
        tracing::info!(
            endpoint = name,
            open = seeds.len(),
            taken,
            "open connections entered"
        );
    }
}

/// Whether a connection of the host's can cross one of its devices: to itself and to its own
/// workloads it talks elsewhere.
fn leaves(key: &ConnectionKey, plan: &Plan) -> bool {
    let peer = plan.peers.get(&(128, key.remote.0));
    peer.is_none_or(|peer| peer.identity != Peer::HOST_IDENTITY && peer.endpoint == 0)
}
