//! What is different about the host: its numbers are the same on every node, and its devices are one
//! endpoint.

use std::collections::BTreeMap;

use flowd_abi::{Endpoint, Peer, endpoint::EndpointFlags};

use super::{
    numbers::Numbers,
    plan::{PlannedEndpoint, label_key},
};
use crate::endpoints::EndpointSpec;

/// The identity of a workload's labels, or the host's.
pub(super) fn identity(numbers: &mut Numbers, spec: &EndpointSpec) -> u32 {
    if spec.is_host() {
        Peer::HOST_IDENTITY
    } else {
        numbers.identity(&label_key(&spec.labels))
    }
}

/// The id of a workload, or the host's.
pub(super) fn endpoint(numbers: &mut Numbers, spec: &EndpointSpec) -> u32 {
    if spec.is_host() {
        Endpoint::HOST_ID
    } else {
        numbers.endpoint(&spec.key())
    }
}

/// The flag of the host's devices.
pub(super) fn flag(spec: &EndpointSpec) -> u32 {
    if spec.is_host() {
        EndpointFlags::HOST
    } else {
        0
    }
}

/// A connection may come in by one device and leave by another: under two generations it would be
/// judged again at each of its packets.
pub(super) fn one_generation(endpoints: &mut BTreeMap<u32, PlannedEndpoint>) {
    let host = |endpoint: &&mut PlannedEndpoint| endpoint.value.has(EndpointFlags::HOST);
    let devices = endpoints.values_mut().filter(host);
    let newest = devices.map(|endpoint| endpoint.value.generation).max();
    for endpoint in endpoints.values_mut().filter(host) {
        endpoint.value.generation = newest.unwrap_or_default();
    }
}
