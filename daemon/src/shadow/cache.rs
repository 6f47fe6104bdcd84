//! The pipeline's memory of would-be verdicts: one look-up per event once a kind of connection has
//! been seen.

use std::hash::Hash;
use std::sync::Arc;

use flowd_abi::{Address, DropReason, EventKind, ForwardReason, Verdict};
use flowd_policy::Target;
use hashbrown::HashMap;

use super::tables::ShadowTables;
use super::verdict::Shadowed;
use crate::flow::record::Judged;

/// Entries per cache; past it the cache starts over, which costs look-ups and forgets nothing.
const ENTRIES: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    direction: u32,
    identity: u32,
    class: u32,
    port: u16,
    protocol: u8,
}

/// Would-be verdicts and classes as of one set of tables.
#[derive(Debug, Default)]
pub struct ShadowCache {
    verdicts: HashMap<Key, Arc<Shadowed>>,
    classes: HashMap<(u32, Address), u32>,
}

impl ShadowCache {
    /// What would have become of the connection of an event; `None` where no shadow policy has a say
    /// about it, or the event is no verdict of policies on a connection.
    #[inline]
    pub fn look_up(&mut self, tables: &ShadowTables, judged: &Judged) -> Option<Arc<Shadowed>> {
        if !decides(judged) {
            return None;
        }
        let event = &judged.event;
        let direction = tables.direction(event.endpoint, judged.judged_direction())?;
        let identity = event.peer_identity;
        let class = if tables.has_classes(identity) {
            *remembered(&mut self.classes, (identity, event.remote), || {
                tables.class_of(identity, event.remote)
            })
        } else {
            0
        };
        let (protocol, port) = (event.protocol, judged.policy_port());
        let key = Key {
            direction: direction.number,
            identity,
            class,
            port,
            protocol,
        };
        let shadowed = remembered(&mut self.verdicts, key, || {
            let target = Target {
                identity,
                class,
                protocol,
                port,
            };
            Arc::new(tables.judge(direction, target))
        });
        Some(Arc::clone(shadowed))
    }
}

/// Whether an event tells what policies say of a connection, or of the first packet of a denied
/// flow. What they would say of a packet they are not asked about is nothing.
#[inline]
const fn decides(judged: &Judged) -> bool {
    let verdict = match judged.kind {
        EventKind::Open | EventKind::Verdict | EventKind::Drop => judged.verdict,
        EventKind::Reply | EventKind::Update | EventKind::Close | EventKind::Drops => return false,
    };
    match verdict {
        Verdict::Forward(why) => match why {
            ForwardReason::Allowed | ForwardReason::Unenforced => true,
            ForwardReason::Reply
            | ForwardReason::Related
            | ForwardReason::Neighbour
            | ForwardReason::OperatorGuard
            | ForwardReason::Masqueraded => false,
        },
        Verdict::Drop(why) | Verdict::Audit(why) => match why {
            DropReason::DefaultDenied | DropReason::RuleDenied => true,
            DropReason::Malformed
            | DropReason::UnsupportedProtocol
            | DropReason::UnsupportedEthertype
            | DropReason::FragmentWithoutHead
            | DropReason::TableFull
            | DropReason::SourceAddress
            | DropReason::ExtensionHeader
            | DropReason::KernelNoSocket
            | DropReason::KernelQueueFull
            | DropReason::KernelUnreachable
            | DropReason::KernelFiltered
            | DropReason::KernelInvalid
            | DropReason::KernelOther => false,
        },
    }
}

#[inline]
fn remembered<K: Copy + Eq + Hash, V>(
    cache: &mut HashMap<K, V>,
    key: K,
    make: impl FnOnce() -> V,
) -> &V {
    if cache.len() >= ENTRIES && !cache.contains_key(&key) {
        cache.clear();
    }
    cache.entry(key).or_insert_with(make)
}
