//! The numbers handed out on this node. Saved, so that they mean the same after a restart.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use flowd_abi::{Endpoint, Peer};
use flowd_policy::{PodClass, PolicyRef, RuleTable};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// First endpoint id, and first identity: what is below is reserved (Hubble's numbering).
const FIRST: u32 = 256;
/// Names, label sets and prefixes kept before those no plan has are forgotten.
const MAX_NAMES: usize = 65_536;
/// Rule sets kept before those no plan refers to are forgotten.
const MAX_RULE_SETS: usize = 100_000;

/// Counters and assignments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Endpoint ids by `namespace/name`.
    pub endpoints: BTreeMap<String, u32>,
    /// Identities by their label set.
    pub identities: BTreeMap<String, u32>,
    /// CIDR classes by their prefix.
    pub classes: BTreeMap<IpNet, u32>,
    /// Classes of workloads and nodes by their address, by prefix, or by `prefix of identity`.
    pub pod_classes: BTreeMap<String, u32>,
    /// Who switched a policy id to default deny.
    pub default_deny: BTreeMap<u32, Vec<PolicyRef>>,
    /// The last generation handed out.
    pub generation: u32,
    /// Rule sets.
    pub rules: RuleTable,
    next_endpoint: u32,
    next_identity: u32,
    next_class: u32,
    next_policy: u32,
}

/// The highest numbers that the tables hold, 0 where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Endpoint id.
    pub endpoint: u32,
    /// Identity of an endpoint.
    pub identity: u32,
    /// CIDR class.
    pub class: u32,
    /// Policy id.
    pub policy: u32,
    /// Generation.
    pub generation: u32,
}

/// The numbers a plan uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Endpoint ids.
    pub endpoints: BTreeSet<u32>,
    /// Identities.
    pub identities: BTreeSet<u32>,
    /// CIDR classes, of either kind.
    pub classes: BTreeSet<u32>,
}

impl Used {
    /// The highest numbers of these entries.
    pub fn by<'a>(
        endpoints: impl Iterator<Item = &'a Endpoint>,
        peers: impl Iterator<Item = &'a Peer>,
        policies: impl Iterator<Item = u32>,
    ) -> Self {
        let mut used = Self {
            class: peers.map(|peer| peer.class).max().unwrap_or_default(),
            policy: policies.max().unwrap_or_default(),
            ..Self::default()
        };
        for endpoint in endpoints {
            used.endpoint = used.endpoint.max(endpoint.id);
            used.identity = used.identity.max(endpoint.identity);
            used.generation = used.generation.max(endpoint.generation);
            let policy = endpoint.ingress_policy.max(endpoint.egress_policy);
            used.policy = used.policy.max(policy);
        }
        used
    }
}

impl Numbers {
    /// Numbers for a node that has none saved. `first` is where policy ids, rule sets and
    /// generations start: a number that grows with time keeps them apart from those of a daemon
    /// whose state was lost but whose tables are still pinned.
    pub fn fresh(first: u32) -> Self {
        Self {
            endpoints: BTreeMap::new(),
            identities: BTreeMap::new(),
            classes: BTreeMap::new(),
            pod_classes: BTreeMap::new(),
            default_deny: BTreeMap::new(),
            generation: first,
            rules: RuleTable::starting_at(first),
            next_endpoint: FIRST,
            next_identity: FIRST,
            next_class: Peer::CLASS_SCOPE + 1,
            next_policy: first.max(1),
        }
    }

    /// Goes on above the numbers that are in use, where the tables hold some that were never saved;
    /// whether they do. A number given out twice would put one policy in the place of another.
    ///
    /// Which rule sets are in use is not known, so they go on at `first`, which grows with time.
    pub fn outgrow(&mut self, used: &Used, first: u32) -> bool {
        let behind = used.endpoint >= self.next_endpoint
            || used.identity >= self.next_identity
            || used.class >= self.next_class
            || used.policy >= self.next_policy
            || used.generation > self.generation;
        if behind {
            let above = |next: u32, used: u32| next.max(used.saturating_add(1));
            self.next_endpoint = above(self.next_endpoint, used.endpoint);
            self.next_identity = above(self.next_identity, used.identity);
            self.next_class = above(self.next_class, used.class);
            self.next_policy = above(self.next_policy, used.policy);
            self.generation = self.generation.max(used.generation);
            self.rules = RuleTable::starting_at(first);
        }
        behind
    }

    /// The saved numbers; `None` when nothing was saved.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is damaged.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(io::Error::other)
    }

    /// Saves the numbers in one step.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; the one before it is left as it was.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        // Without it a power cut can leave an empty file under the name, and no daemon starts then.
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// The id of an endpoint.
    pub fn endpoint(&mut self, key: &str) -> u32 {
        assign(&mut self.endpoints, &mut self.next_endpoint, key.to_owned())
    }

    /// The identity of a label set.
    pub fn identity(&mut self, labels: &str) -> u32 {
        assign(
            &mut self.identities,
            &mut self.next_identity,
            labels.to_owned(),
        )
    }

    /// The class of a prefix.
    pub fn class(&mut self, prefix: IpNet) -> u32 {
        assign(&mut self.classes, &mut self.next_class, prefix)
    }

    /// The number of a class of workloads and nodes by their addresses.
    pub fn pod_class(&mut self, class: PodClass) -> u32 {
        let key = match class.owner {
            None => class.prefix.to_string(),
            Some(identity) => format!("{} of {identity}", class.prefix),
        };
        assign(&mut self.pod_classes, &mut self.next_class, key)
    }

    /// A policy id nobody has had.
    pub fn policy(&mut self, default_deny: &[Arc<PolicyRef>]) -> u32 {
        let id = self.next_policy;
        self.next_policy = self.next_policy.wrapping_add(1).max(1);
        let deniers = default_deny.iter().map(|policy| PolicyRef::clone(policy));
        self.default_deny.insert(id, deniers.collect());
        id
    }

    /// A generation nobody has had.
    pub fn next_generation(&mut self) -> u32 {
        self.generation = after(self.generation);
        self.generation
    }

    /// The generation that will be handed out after the next one.
    pub fn generation_after_next(&self) -> u32 {
        after(after(self.generation))
    }

    /// Whether there is so much of something that what nobody refers to is to be forgotten.
    pub fn are_many(&self) -> bool {
        [
            self.endpoints.len(),
            self.identities.len(),
            self.classes.len(),
            self.pod_classes.len(),
        ]
        .into_iter()
        .any(|names| names > MAX_NAMES)
            || self.rules.len() > MAX_RULE_SETS
            || self.default_deny.len() > MAX_RULE_SETS
    }

    /// Forgets the names that are not in `live`, and what no live policy refers to, once there is much of it: connections and events
    /// refer to the last few policies for a while.
    pub fn forget(&mut self, live: &Live, policies: &BTreeSet<u32>, rules: &BTreeSet<u32>) {
        keep_live(&mut self.endpoints, &live.endpoints);
        keep_live(&mut self.identities, &live.identities);
        keep_live(&mut self.classes, &live.classes);
        keep_live(&mut self.pod_classes, &live.classes);
        if self.rules.len() > MAX_RULE_SETS {
            self.rules.retain(rules);
        }
        if self.default_deny.len() > MAX_RULE_SETS {
            self.default_deny.retain(|id, _| policies.contains(id));
        }
    }
}

/// Generations are never 0, which is that of a workload whose connections are being learned.
fn after(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

fn keep_live<K: Ord>(known: &mut BTreeMap<K, u32>, live: &BTreeSet<u32>) {
    if known.len() > MAX_NAMES {
        known.retain(|_, number| live.contains(number));
    }
}

fn assign<K: Ord>(known: &mut BTreeMap<K, u32>, next: &mut u32, key: K) -> u32 {
    *known.entry(key).or_insert_with(|| {
        let number = *next;
        *next += 1;
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_use_that_were_not_saved_are_outgrown() {
        let mut numbers = Numbers::fresh(0);
        let (policy, generation) = (numbers.policy(&[]), numbers.next_generation());
        let saved = Used {
            endpoint: numbers.endpoint("shop/web"),
            policy,
            generation,
            ..Used::default()
        };
        assert!(!numbers.outgrow(&saved, 1000), "all of it is known");
        let used = Used {
            policy: policy + 7,
            ..saved
        };
        assert!(numbers.outgrow(&used, 1000));
        assert_eq!(numbers.policy(&[]), policy + 8);
        assert_eq!(numbers.endpoint("shop/web"), saved.endpoint);
    }

    #[test]
    fn numbers_mean_the_same_after_a_restart() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("numbers.json");
        assert!(Numbers::load(&path).expect("readable").is_none());
        let mut numbers = Numbers::fresh(7);
        let web = numbers.endpoint("shop/web");
        let class = numbers.class("10.0.0.0/8".parse().expect("a prefix"));
        let policy = numbers.policy(&[]);
        numbers.save(&path).expect("saved");
        let mut again = Numbers::load(&path)
            .expect("readable")
            .expect("saved before");
        assert_eq!(again.endpoint("shop/web"), web);
        assert_eq!(again.class("10.0.0.0/8".parse().expect("a prefix")), class);
        assert_ne!(again.policy(&[]), policy);
        assert_ne!(again.endpoint("shop/api"), web);
    }

    #[test]
    fn names_that_came_and_went_are_forgotten_and_their_numbers_not_given_out_again() {
        let mut numbers = Numbers::fresh(0);
        let web = numbers.endpoint("shop/web");
        let live = Live {
            endpoints: BTreeSet::from([web]),
            ..Live::default()
        };
        let mut last = web;
        for job in 1..=MAX_NAMES {
            last = numbers.endpoint(&format!("shop/job-{job}"));
        }
        numbers.forget(&live, &BTreeSet::new(), &BTreeSet::new());
        assert_eq!(numbers.endpoints.len(), 1);
        assert_eq!(numbers.endpoint("shop/web"), web);
        assert_eq!(numbers.endpoint("shop/job-1"), last + 1);
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("numbers.json");
        fs::write(&path, "{").expect("written");
        assert!(Numbers::load(&path).is_err());
    }
}
