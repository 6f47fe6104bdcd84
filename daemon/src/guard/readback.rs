//! Reading back what the tables hold: what differs from what was written is repaired and told.

use std::collections::{BTreeMap, HashSet};

use flowd_abi::PolicyKey;

use super::applier::Applier;
use crate::{kernel::tables::TableError, resolve::Plan};

/// Entries that were not as they were written, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Of `ENDPOINTS`.
    pub endpoints: u64,
    /// Of `PEERS`.
    pub peers: u64,
    /// Of `POLICY`.
    pub policy: u64,
}

impl Drift {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.endpoints + self.peers + self.policy
    }
}

impl Applier {
    /// Compares the tables with the plan they were written from, entry by entry, and puts right
    /// what differs: policies first, then endpoints, then peers.
    ///
    /// # Errors
    ///
    /// When a table cannot be read or written.
    pub fn read_back(&mut self, plan: &Plan) -> Result<Drift, TableError> {
        Ok(Drift {
            policy: self.read_back_policies(plan)?,
            endpoints: self.read_back_endpoints()?,
            peers: self.read_back_peers()?,
        })
    }

    fn read_back_policies(&mut self, plan: &Plan) -> Result<u64, TableError> {
        let mut repaired = 0;
        let mut expected: HashSet<PolicyKey> = HashSet::new();
        for (id, policy) in &plan.policies {
            for entry in &policy.compiled.entries {
                let entry = entry.with_policy(*id);
                expected.insert(entry.key);
                // The longest match of an entry's own key is the entry, which names its length.
                if self.tables.policy(&entry.key)? != Some(entry.value) {
                    self.tables.put_policy(&entry.key, &entry.value)?;
                    repaired += 1;
                }
            }
        }
        let waiting: HashSet<PolicyKey> = self.retired().copied().collect();
        for key in self.tables.policy_keys()? {
            if !expected.contains(&key) && !waiting.contains(&key) {
                self.tables.remove_policy(&key)?;
                repaired += 1;
            }
        }
        Ok(repaired)
    }

    fn read_back_endpoints(&mut self) -> Result<u64, TableError> {
        let held: BTreeMap<_, _> = self.tables.endpoints()?.into_iter().collect();
        let mut repaired = 0;
        for (ifindex, (value, _)) in &self.endpoints {
            if held.get(ifindex) != Some(value) {
                self.tables.put_endpoint(*ifindex, value)?;
                repaired += 1;
            }
        }
        for ifindex in held
            .keys()
            .filter(|ifindex| !self.endpoints.contains_key(ifindex))
        {
            self.tables.remove_endpoint(*ifindex)?;
            repaired += 1;
        }
        Ok(repaired)
    }

    fn read_back_peers(&mut self) -> Result<u64, TableError> {
        let held: BTreeMap<_, _> = self
            .tables
            .peers()?
            .into_iter()
            .map(|(key, peer)| ((key.prefix, key.address.0), peer))
            .collect();
        let mut repaired = 0;
        for (key, peer) in &self.peers {
            if held.get(key) != Some(peer) {
                self.tables.put_peer(&Plan::peer_key(key), peer)?;
                repaired += 1;
            }
        }
        for key in held.keys().filter(|key| !self.peers.contains_key(*key)) {
            self.tables.remove_peer(&Plan::peer_key(key))?;
            repaired += 1;
        }
        Ok(repaired)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    };

    use flowd_abi::{Direction, Peer, PolicyEntry};
    use flowd_policy::{CompiledDirection, CompiledEntry};

    use super::*;
    use crate::{
        kernel::{
            AttachMode, Attachments, Kernel, Sizes, Timeouts, bpffs::Pins, namespace::Namespace,
            sweep::Sweep, tables::Tables,
        },
        resolve::CompiledPolicy,
    };

    fn entry(port: u16) -> CompiledEntry {
        CompiledEntry {
            key: PolicyKey::full(0, Direction::Ingress, 300, 6, port),
            value: PolicyEntry {
                precedence: 1,
                rule: 2,
                action: 1,
                prefix: 96,
                pad: [0; 2],
            },
        }
    }

    /// One policy of two entries and one peer; no endpoint, so that nothing is attached.
    fn plan() -> Plan {
        let compiled = CompiledDirection {
            entries: vec![entry(80), entry(81)],
            default_deny: Vec::new(),
        };
        let policy = CompiledPolicy {
            direction: Direction::Ingress,
            compiled: Arc::new(compiled),
        };
        Plan {
            generation: 1,
            interim: 1,
            peers_changed: true,
            policies: [(7, policy)].into(),
            peers: Arc::new([((128, [9; 16]), Peer::WORLD)].into()),
            ..Plan::default()
        }
    }

    fn applier() -> Applier {
        let sizes = Sizes {
            policy: 64,
            peers: 64,
            ring_bytes: 65_536,
            ..Sizes::default()
        };
        let mut kernel = Kernel::load(&sizes, &Timeouts::default(), None)
            .expect("this test loads the programs: run it as root");
        let tables = Tables::take(&mut kernel).expect("tables");
        let sweep = Sweep::take(&mut kernel, Timeouts::default(), 10).expect("a sweep");
        let pins = Pins::at(std::path::Path::new("/nonexistent"));
        let attachments = Attachments::new(Namespace::own(), pins, AttachMode::Auto);
        let (kernel, sweep) = (Arc::new(Mutex::new(kernel)), Arc::new(Mutex::new(sweep)));
        Applier::adopt(kernel, sweep, tables, attachments).expect("readable tables")
    }

    #[test]
    fn a_policy_that_found_no_room_at_first_is_whole_in_the_end() {
        let (mut applier, mut plan) = (applier(), plan());
        let entries = |count: u16| CompiledDirection {
            entries: (0..count).map(|port| entry(port + 1)).collect(),
            default_deny: Vec::new(),
        };
        let policy = |count| CompiledPolicy {
            direction: Direction::Ingress,
            compiled: Arc::new(entries(count)),
        };
        plan.policies = [(7, policy(40))].into();
        applier.apply(&plan).expect("applied");
        // Of 64 entries, 40 are taken until the old policy's grace is over.
        plan.policies = [(8, policy(40))].into();
        assert!(applier.apply(&plan).is_err(), "no room for both");
        let somebody: Vec<_> = (1..=40)
            .map(|port| entry(port).with_policy(7).key)
            .collect();
        for key in &somebody {
            applier.tables.remove_policy(key).expect("removed");
        }
        applier.apply(&plan).expect("room now");
        let later = Instant::now() + Duration::from_secs(60);
        applier.collect_garbage(later).expect("collected");
        assert_eq!(applier.read_back(&plan).expect("read"), Drift::default());
    }

    #[test]
    fn what_somebody_changed_is_put_right() {
        let (mut applier, plan) = (applier(), plan());
        applier.apply(&plan).expect("applied");
        assert_eq!(applier.read_back(&plan).expect("read"), Drift::default());

        let (first, second) = (entry(80).with_policy(7), entry(81).with_policy(7));
        applier.tables.remove_policy(&first.key).expect("removed");
        let denied = PolicyEntry {
            action: 2,
            ..second.value
        };
        applier
            .tables
            .put_policy(&second.key, &denied)
            .expect("changed");
        let foreign = entry(82).with_policy(7);
        applier
            .tables
            .put_policy(&foreign.key, &foreign.value)
            .expect("added");
        let somebody = Plan::peer_key(&(128, [8; 16]));
        applier
            .tables
            .put_peer(&somebody, &Peer::WORLD)
            .expect("added");

        let drift = Drift {
            endpoints: 0,
            peers: 1,
            policy: 3,
        };
        assert_eq!(applier.read_back(&plan).expect("read"), drift);
        assert_eq!(applier.read_back(&plan).expect("read"), Drift::default());
        let held = applier.tables.policy(&second.key).expect("read");
        assert_eq!(held, Some(second.value));
    }
}
