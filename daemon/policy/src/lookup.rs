//! Looks compiled entries up exactly as the eBPF programs do: one longest-prefix match for each
//! of identity, CIDR class and any peer, then the highest precedence.

use flowd_abi::{Action, Direction, PolicyKey};

use crate::{
    compile::{CompiledDirection, CompiledEntry},
    match_type::{MatchType, MatchedPeer},
    rules::RuleTable,
};

/// The destination of a new connection, as the programs see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Identity of the peer.
    pub identity: u32,
    /// CIDR class of the peer's address, 0 for none.
    pub class: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination port, or ICMP type.
    pub port: u16,
}

/// The entry that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it says.
    pub action: Action,
    /// The number of the rules that say so.
    pub rule: u32,
    /// Which of the peer's sides matched, and how exactly.
    pub match_type: MatchType,
}

impl CompiledDirection {
    /// The entry that decides about `target`; `None` is a default deny, whether an entry says so or
    /// none says anything.
    pub fn lookup(&self, target: Target) -> Option<Hit> {
        let peers = [
            (target.identity, MatchedPeer::Identity),
            (target.class, MatchedPeer::Class),
            (PolicyKey::ANY_PEER, MatchedPeer::Any),
        ];
        let mut best: Option<(&CompiledEntry, MatchedPeer)> = None;
        for (peer, matched) in peers {
            if peer == PolicyKey::ANY_PEER && matched != MatchedPeer::Any {
                continue;
            }
            let Some(entry) = self.longest(peer, target) else {
                continue;
            };
            if best.is_none_or(|(best, _)| entry.value.precedence > best.value.precedence) {
                best = Some((entry, matched));
            }
        }
        let (entry, matched) = best.filter(|(entry, _)| entry.value.rule != RuleTable::NONE)?;
        Some(Hit {
            action: Action::from_number(entry.value.action)?,
            rule: entry.value.rule,
            match_type: MatchType::of(u32::from(entry.value.prefix), matched),
        })
    }

    fn longest(&self, peer: u32, target: Target) -> Option<&CompiledEntry> {
        let start = self.entries.partition_point(|entry| entry.peer() < peer);
        self.entries
            .get(start..)?
            .iter()
            .take_while(|entry| entry.peer() == peer)
            .filter(|entry| covers(&entry.key, target))
            .max_by_key(|entry| entry.key.prefix)
    }
}

/// Compares the first `prefix` bits of the two keys, as the trie does.
fn covers(key: &PolicyKey, target: Target) -> bool {
    let direction = Direction::from_number(key.direction).unwrap_or(Direction::Ingress);
    let peer = u32::from_be_bytes(key.peer);
    let wanted = PolicyKey::full(0, direction, peer, target.protocol, target.port).data();
    let (mine, mut bits) = (key.data(), key.prefix);
    for (a, b) in mine.iter().zip(wanted) {
        let here = bits.min(8);
        let mask = u8::try_from(0xff00_u32 >> here & 0xff).unwrap_or(0xff);
        if (a ^ b) & mask != 0 {
            return false;
        }
        bits -= here;
    }
    true
}
