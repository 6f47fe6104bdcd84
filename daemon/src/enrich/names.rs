//! The pipeline's caches from numbers to names: one look-up per side in the usual case, no string
//! work once somebody has been seen.

use std::sync::Arc;

use flowd_abi::Event;
use hashbrown::HashMap;

use super::{Decision, Directory, Hits, Party};
use crate::flow::record::Judged;
use crate::shadow::{ShadowCache, Shadowed};

/// Entries per cache; past it the cache starts over, which costs look-ups and forgets nothing.
const CACHE_ENTRIES: usize = 16_384;

/// The side of a flow that is not the workload, as the caches know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct PeerKey {
    /// Endpoint id when the address is a workload's, else 0.
    endpoint: u32,
    identity: u32,
    class: u32,
}

/// What decided, as the caches know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct DecisionKey {
    rule: u32,
    /// Policy id of a default deny, else 0.
    default_deny: u32,
}

/// Names as of one directory.
#[derive(Debug, Default)]
pub struct Names {
    directory: Arc<Directory>,
    locals: HashMap<u32, Arc<Party>>,
    peers: HashMap<PeerKey, Arc<Party>>,
    decisions: HashMap<DecisionKey, Arc<Decision>>,
    shadows: ShadowCache,
    hits: Arc<Hits>,
}

impl Names {
    /// Names of nobody yet; hits are counted among `hits`, whatever the directory.
    pub fn new(hits: Arc<Hits>) -> Self {
        Self {
            hits,
            ..Self::default()
        }
    }

    /// Moves to a directory; what was cached from another one is forgotten.
    pub fn follow(&mut self, directory: &Arc<Directory>) {
        if !Arc::ptr_eq(&self.directory, directory) {
            *self = Self {
                directory: directory.clone(),
                hits: self.hits.clone(),
                ..Self::default()
            };
        }
    }

    /// The guarded workload of an event.
    #[inline]
    pub fn local(&mut self, event: &Event) -> Arc<Party> {
        let directory = &self.directory;
        cached(&mut self.locals, event.endpoint, || {
            match directory.endpoints.get(&event.endpoint) {
                Some(workload) => {
                    Party::workload(workload, workload.identity, workload.labels.to_vec())
                }
                None => Party::unknown_endpoint(event.endpoint),
            }
        })
    }

    /// The other side of an event.
    #[inline]
    pub fn peer(&mut self, event: &Event) -> Arc<Party> {
        let directory = &self.directory;
        let workload = directory.addresses.get(&event.remote);
        let key = PeerKey {
            endpoint: workload.map_or(0, |workload| workload.endpoint_id),
            identity: event.peer_identity,
            class: event.peer_class,
        };
        cached(&mut self.peers, key, || {
            let cidr = directory.classes.get(&key.class).map_or("", String::as_str);
            match workload {
                Some(workload) if workload.identity == key.identity => {
                    Party::workload(workload, key.identity, workload.labels.to_vec())
                }
                Some(workload) => {
                    let labels = directory.labels_of(key.identity, key.class);
                    Party::workload(workload, key.identity, labels)
                }
                None => Party::identity(key.identity, directory.labels_of(key.identity, key.class)),
            }
            .within(cidr)
        })
    }

    /// What decided an event; `default_deny` says that no rule did and the workload is switched to
    /// default deny.
    #[inline]
    pub fn decision(&mut self, event: &Event, default_deny: bool) -> Arc<Decision> {
        let Self {
            directory,
            hits,
            decisions,
            ..
        } = self;
        let key = DecisionKey {
            rule: event.rule,
            default_deny: if default_deny { event.policy } else { 0 },
        };
        cached(decisions, key, || {
            Decision::new(directory, key.rule, key.default_deny, hits)
        })
    }

    /// What would have become of it were the shadow policies enforced.
    #[inline]
    pub fn shadow(&mut self, judged: &Judged) -> Option<Arc<Shadowed>> {
        let tables = self.directory.shadow.as_ref()?;
        self.shadows.look_up(tables, judged)
    }
}

#[inline]
fn cached<K: Copy + Eq + std::hash::Hash, V>(
    cache: &mut HashMap<K, Arc<V>>,
    key: K,
    make: impl FnOnce() -> V,
) -> Arc<V> {
    if let Some(value) = cache.get(&key) {
        return value.clone();
    }
    if cache.len() >= CACHE_ENTRIES {
        cache.clear();
    }
    let value = Arc::new(make());
    cache.insert(key, value.clone());
    value
}
