//! What the tables ought to hold.

use std::{collections::BTreeMap, net::IpAddr, ops::Deref, sync::Arc};

use flowd_abi::{Direction, Endpoint, Peer, PeerKey, endpoint::EndpointFlags};
use flowd_policy::{CompiledDirection, Labels};

use super::{
    Guarded,
    peers::{self, Peers},
};
use crate::endpoints::EndpointSpec;

/// Everything of one generation.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The generation of an endpoint whose policy changed, before the peers are changed.
    pub interim: u32,
    /// The generation in force once the plan is applied.
    pub generation: u32,
    /// Whether an address means somebody else than in the plan before.
    pub peers_changed: bool,
    /// Guarded workloads by device number.
    pub endpoints: BTreeMap<u32, PlannedEndpoint>,
    /// Who addresses are.
    pub peers: Arc<Peers>,
    /// Policies by id.
    pub policies: BTreeMap<u32, CompiledPolicy>,
}

/// One workload; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEndpoint {
    /// Who and where it is.
    pub guarded: Arc<Guarded>,
    /// Names of the policies that select it.
    pub policies: Arc<[String]>,
    /// The value of its table entry.
    pub value: Endpoint,
}

/// One direction of one identity's policy.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    /// The side it judges.
    pub direction: Direction,
    /// Its entries and who switched it to default deny.
    pub compiled: Arc<CompiledDirection>,
}

impl Deref for PlannedEndpoint {
    type Target = Guarded;

    fn deref(&self) -> &Guarded {
        &self.guarded
    }
}

impl PlannedEndpoint {
    /// Its entry in the place of `known` while the peers are not written yet. One that gets another
    /// id cannot be known as the owner of its addresses before they are.
    pub fn interim(&self, generation: u32, known: &Endpoint) -> Endpoint {
        let flags = self.value.flags;
        Endpoint {
            generation,
            flags: if known.id == self.value.id {
                flags
            } else {
                flags & !EndpointFlags::CHECK_SOURCE
            },
            ..self.value
        }
    }
}

impl Plan {
    /// How an endpoint is guarded by this plan.
    pub fn guarded(&self, spec: &EndpointSpec) -> Option<Guarded> {
        let same = |planned: &PlannedEndpoint| {
            planned.spec.name == spec.name && planned.spec.namespace == spec.namespace
        };
        let mut endpoints = self.endpoints.iter();
        let (_, planned) = endpoints.find(|(_, planned)| same(planned))?;
        Some(Guarded::clone(planned))
    }

    /// Every endpoint once: the host has several devices and is one.
    pub fn each(&self) -> impl Iterator<Item = &PlannedEndpoint> {
        let mut host = false;
        let first = move |planned: &&PlannedEndpoint| {
            !planned.value.has(EndpointFlags::HOST) || !std::mem::replace(&mut host, true)
        };
        self.endpoints.values().filter(first)
    }

    /// Who an address is, as the programs find it.
    pub fn peer(&self, address: IpAddr) -> Peer {
        peers::longest_of(&self.peers, address)
    }

    /// The key of a peer entry.
    pub const fn peer_key(key: &(u32, [u8; 16])) -> PeerKey {
        PeerKey {
            prefix: key.0,
            address: flowd_abi::Address(key.1),
        }
    }
}

/// Labels as the numbers know them.
pub(super) fn label_key(labels: &Labels) -> String {
    labels.to_string()
}
