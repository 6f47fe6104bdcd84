//! Writing a plan into the kernel, in an order in which no packet meets half of it.
//!
//! 1. The entries of new policies, which nobody is judged by yet. They know the peers of both the
//!    last plan and this one.
//! 2. The endpoints: each moves to its new policies in one step.
//! 3. The peers.
//! 4. If peers changed, the endpoints for which that makes a difference again with one more
//!    generation, so that what was judged between 2 and 3 is judged again.
//! 5. Later: the entries of policies nobody is judged by any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use flowd_abi::{Endpoint, Peer, PolicyKey, endpoint::EndpointFlags};
use thiserror::Error;

use super::hold::Unapplied;
use crate::{
    kernel::{
        Attachments, Kernel, Side,
        attach::AttachError,
        sweep::Sweep,
        tables::{TableError, Tables},
    },
    resolve::{Plan, PlannedEndpoint, Used},
};

/// How long a policy's entries stay after the last endpoint left it: far longer than any packet
/// that read the old id takes.
const GRACE: Duration = Duration::from_secs(2);

/// A plan could not be written.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A table could not be written.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The hand that writes.
pub struct Applier {
    pub(super) kernel: Arc<Mutex<Kernel>>,
    pub(super) sweep: Arc<Mutex<Sweep>>,
    pub(super) tables: Tables,
    pub(super) attachments: Attachments,
    /// What the endpoint table holds, with the device each entry is about.
    pub(super) endpoints: BTreeMap<u32, (Endpoint, String)>,
    pub(super) peers: BTreeMap<(u32, [u8; 16]), Peer>,
    pub(super) policies: BTreeMap<u32, Vec<PolicyKey>>,
    garbage: Vec<(Instant, Vec<PolicyKey>)>,
}

impl Applier {
    /// A hand on these tables, aware of what they hold from an earlier daemon.
    ///
    /// # Errors
    ///
    /// When a table cannot be read.
    pub fn adopt(
        kernel: Arc<Mutex<Kernel>>,
        sweep: Arc<Mutex<Sweep>>,
        tables: Tables,
        attachments: Attachments,
    ) -> Result<Self, TableError> {
        let endpoints = tables.endpoints()?;
        let peers = tables.peers()?;
        let mut policies: BTreeMap<u32, Vec<PolicyKey>> = BTreeMap::new();
        for key in tables.policy_keys()? {
            policies
                .entry(u32::from_be_bytes(key.policy))
                .or_default()
                .push(key);
        }
        Ok(Self {
            kernel,
            sweep,
            tables,
            attachments,
            endpoints: endpoints
                .into_iter()
                .map(|(ifindex, value)| (ifindex, (value, String::new())))
                .collect(),
            peers: peers
                .into_iter()
                .map(|(key, peer)| ((key.prefix, key.address.0), peer))
                .collect(),
            policies,
            garbage: Vec::new(),
        })
    }

    /// How many workloads an earlier daemon left guarded.
    pub fn inherited(&self) -> usize {
        self.endpoints.len()
    }

    /// The highest numbers the tables hold.
    pub fn used(&self) -> Used {
        let endpoints = self.endpoints.values().map(|(value, _)| value);
        Used::by(
            endpoints,
            self.peers.values(),
            self.policies.keys().copied(),
        )
    }

    /// Writes a plan. Workloads that could not be attached are named with the reason; a table that
    /// could not be written stops the writing where it was, with every workload still on a whole
    /// policy. A new workload whose own policy is whole is judged by it even so.
    ///
    /// # Errors
    ///
    /// When a table is full or the kernel refuses.
    pub fn apply(&mut self, plan: &Plan) -> Result<BTreeMap<u32, String>, Unapplied> {
        self.write(plan).map_err(|error| Unapplied {
            failed: self.hold(plan, &error),
            error,
        })
    }

    fn write(&mut self, plan: &Plan) -> Result<BTreeMap<u32, String>, ApplyError> {
        self.put_policies(plan)?;
        let failed = self.attach(plan)?;
        let guarded = || {
            plan.endpoints
                .iter()
                .filter(|(ifindex, _)| !failed.contains_key(*ifindex))
        };
        // What an earlier plan did not come to write is written by this one.
        let peers_change = *plan.peers != self.peers;
        let waking = self.waking(plan);
        waking.iter().for_each(|endpoint| self.seed(endpoint, plan));
        for (ifindex, endpoint) in guarded() {
            if !peers_change {
                self.put_endpoint(*ifindex, endpoint, endpoint.value)?;
            } else if let Some((known, _)) = self.endpoints.get(ifindex)
                && known.generation != 0
                && *known != endpoint.value
            {
                let value = endpoint.interim(plan.interim, known);
                self.put_endpoint(*ifindex, endpoint, value)?;
            }
            // A workload without an entry so far waits for its addresses to be known.
        }
        if peers_change {
            self.put_peers(plan)?;
            for (ifindex, endpoint) in guarded() {
                self.put_endpoint(*ifindex, endpoint, endpoint.value)?;
            }
        }
        // Once more for what was opened in between.
        waking.iter().for_each(|endpoint| self.seed(endpoint, plan));
        self.remove_endpoints(plan)?;
        self.retire_policies(plan);
        Ok(failed)
    }

    /// Removes the entries of policies whose grace is over. To be called now and then.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn collect_garbage(&mut self, now: Instant) -> Result<(), TableError> {
        let tables = &mut self.tables;
        for (_, keys) in self
            .garbage
            .iter_mut()
            .filter(|(since, _)| now.duration_since(*since) >= GRACE)
        {
            // A key that the kernel would not remove is there for the next call.
            while let Some(key) = keys.last() {
                tables.remove_policy(key)?;
                keys.pop();
            }
        }
        self.garbage.retain(|(_, keys)| !keys.is_empty());
        Ok(())
    }

    /// Entries of policies nobody is judged by any more, which wait for their removal.
    pub(super) fn retired(&self) -> impl Iterator<Item = &PolicyKey> {
        self.garbage.iter().flat_map(|(_, keys)| keys)
    }

    /// Generation each endpoint's table entry carries, read back from the kernel.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn enforced(&self) -> Result<BTreeMap<u32, Endpoint>, TableError> {
        Ok(self.tables.endpoints()?.into_iter().collect())
    }

    fn put_policies(&mut self, plan: &Plan) -> Result<(), TableError> {
        for (id, policy) in &plan.policies {
            if self.policies.contains_key(id) {
                continue;
            }
            let entries = policy
                .compiled
                .entries
                .iter()
                .map(|entry| entry.with_policy(*id));
            let mut keys = Vec::new();
            for entry in entries {
                if let Err(error) = self.tables.put_policy(&entry.key, &entry.value) {
                    // Half a policy is in nobody's use and must not be taken for a whole one. It
                    // goes at once: the next try writes the same keys, under which no grace of this
                    // one may end.
                    for key in &keys {
                        self.tables.remove_policy(key)?;
                    }
                    return Err(error);
                }
                keys.push(entry.key);
            }
            self.policies.insert(*id, keys);
        }
        Ok(())
    }

    /// Attaches what is not attached. A new workload's open connections are learned before it is
    /// judged: its socket table is read before and after it gets an entry without policies.
    fn attach(&mut self, plan: &Plan) -> Result<BTreeMap<u32, String>, TableError> {
        let mut failed = BTreeMap::new();
        for (ifindex, endpoint) in &plan.endpoints {
            let known = self.endpoints.get(ifindex);
            if known.is_some_and(|(_, device)| **device == *endpoint.device) {
                continue;
            }
            let adopted = known
                .is_some_and(|(value, device)| device.is_empty() && value.id == endpoint.value.id);
            // A device that was another workload's, or had another name, is judged as before until
            // its new entry is whole: at no moment does everything pass.
            let new = known.is_none();
            if !adopted {
                // Once before the first packet is met, and again for what was opened in between.
                self.seed(endpoint, plan);
            }
            // One workload too many keeps nobody else from their policies.
            if new && let Err(error) = self.learn(*ifindex, endpoint) {
                failed.insert(*ifindex, error.to_string());
                continue;
            }
            self.take_off_the_others(*ifindex, endpoint);
            if let Err(error) = self.attach_one(endpoint, *ifindex) {
                failed.insert(*ifindex, error.to_string());
                if new {
                    self.tables.remove_endpoint(*ifindex)?;
                    self.endpoints.remove(ifindex);
                }
                continue;
            }
            if let Some((_, device)) = self.endpoints.get_mut(ifindex) {
                endpoint.device.as_ref().clone_into(device);
            }
            if !adopted {
                self.seed(endpoint, plan);
            }
        }
        Ok(failed)
    }

    /// An entry under which everything passes and is remembered.
    fn learn(&mut self, ifindex: u32, endpoint: &PlannedEndpoint) -> Result<(), TableError> {
        let learning = Endpoint {
            id: endpoint.value.id,
            identity: endpoint.value.identity,
            flags: endpoint.value.flags & (EndpointFlags::OFF | EndpointFlags::HOST),
            ..Endpoint::default()
        };
        self.tables.put_endpoint(ifindex, &learning)?;
        self.endpoints.insert(ifindex, (learning, String::new()));
        Ok(())
    }

    pub(super) fn attach_one(
        &self,
        endpoint: &PlannedEndpoint,
        ifindex: u32,
    ) -> Result<(), AttachError> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = Side::of(&endpoint.value);
        self.attachments
            .attach(&mut kernel, &endpoint.device, ifindex, whose)
    }

    /// A device that was a workload's and becomes the host's, or the other way round.
    fn take_off_the_others(&self, ifindex: u32, endpoint: &PlannedEndpoint) {
        let known = self.endpoints.get(&ifindex);
        if known.is_some_and(|(known, _)| Side::of(known) != Side::of(&endpoint.value))
            && let Err(error) = self.attachments.detach(&endpoint.device, ifindex)
        {
            tracing::warn!(ifindex, %error, "cannot take the other programs off a device");
        }
    }

    pub(super) fn put_endpoint(
        &mut self,
        ifindex: u32,
        endpoint: &PlannedEndpoint,
        value: Endpoint,
    ) -> Result<(), TableError> {
        if self
            .endpoints
            .get(&ifindex)
            .is_some_and(|(known, _)| *known == value)
        {
            return Ok(());
        }
        self.tables.put_endpoint(ifindex, &value)?;
        self.endpoints
            .insert(ifindex, (value, endpoint.device.to_string()));
        Ok(())
    }

    /// New and changed peers before removed ones: an address that moves is never nobody's. Where there
    /// is no room for both, a table that was full once must not stay so.
    fn put_peers(&mut self, plan: &Plan) -> Result<(), TableError> {
        match self.add_peers(plan) {
            Err(TableError::Full { .. }) => {
                self.remove_peers(plan)?;
                self.add_peers(plan)
            }
            added => {
                added?;
                self.remove_peers(plan)
            }
        }
    }

    fn add_peers(&mut self, plan: &Plan) -> Result<(), TableError> {
        for (key, peer) in plan.peers.iter() {
            if self.peers.get(key) != Some(peer) {
                self.tables.put_peer(&Plan::peer_key(key), peer)?;
                self.peers.insert(*key, *peer);
            }
        }
        Ok(())
    }

    fn remove_peers(&mut self, plan: &Plan) -> Result<(), TableError> {
        let gone: Vec<_> = self
            .peers
            .keys()
            .filter(|key| !plan.peers.contains_key(*key))
            .copied()
            .collect();
        for key in gone {
            self.tables.remove_peer(&Plan::peer_key(&key))?;
            self.peers.remove(&key);
        }
        Ok(())
    }

    fn remove_endpoints(&mut self, plan: &Plan) -> Result<(), TableError> {
        let gone: Vec<u32> = self
            .endpoints
            .keys()
            .copied()
            .filter(|ifindex| !plan.endpoints.contains_key(ifindex))
            .collect();
        for ifindex in gone {
            self.tables.remove_endpoint(ifindex)?;
            let device = self.endpoints.remove(&ifindex).map(|(_, device)| device);
            tracing::info!(ifindex, device, "a workload is no longer guarded");
            if let Err(error) = self
                .attachments
                .detach(&device.unwrap_or_default(), ifindex)
            {
                tracing::warn!(ifindex, %error, "cannot take the programs off a device");
            }
        }
        Ok(())
    }

    fn retire_policies(&mut self, plan: &Plan) {
        let used: BTreeSet<u32> = self
            .endpoints
            .values()
            .flat_map(|(value, _)| [value.ingress_policy, value.egress_policy])
            .chain(plan.policies.keys().copied())
            .collect();
        let old: Vec<u32> = self
            .policies
            .keys()
            .copied()
            .filter(|id| !used.contains(id))
            .collect();
        for id in old {
            if let Some(keys) = self.policies.remove(&id) {
                self.garbage.push((Instant::now(), keys));
            }
        }
    }
}
