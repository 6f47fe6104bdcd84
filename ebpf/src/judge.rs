//! What the policy says of a connection.

use flowd_abi::{
    Action, Address, ConnectionKey, Direction, DropReason, Endpoint, ForwardReason, Peer,
    PolicyEntry, PolicyKey, Verdict,
};

use crate::tables::Tables;

/// A verdict with all that nobody downstream should have to look up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict, before the endpoint's mode.
    pub verdict: Verdict,
    /// The set of rules that decided, 0 where none did.
    pub rule: u32,
    /// The policy that was asked, 0 for none.
    pub policy: u32,
    /// Hubble's `policy_match_type`.
    pub match_type: u8,
    /// Who the peer is.
    pub peer: Peer,
    /// Whether the packet at hand runs against the connection's opening direction.
    pub reply: bool,
}

impl Judgement {
    /// Turns it into a drop that no rule decided.
    #[inline(always)]
    pub const fn refuse(&mut self, reason: DropReason) {
        self.verdict = Verdict::Drop(reason);
        self.rule = 0;
        self.match_type = match_type::NONE;
    }
}

/// Numbers of Hubble's `policy_match_type`.
mod match_type {
    pub(super) const NONE: u8 = 0;
    pub(super) const L3_ONLY: u8 = 1;
    pub(super) const L3_L4: u8 = 2;
    pub(super) const L4_ONLY: u8 = 3;
    pub(super) const ALL: u8 = 4;
    pub(super) const L3_PROTOCOL: u8 = 5;
    pub(super) const PROTOCOL_ONLY: u8 = 6;
}

/// Who an address is.
#[inline(always)]
pub fn peer<T: Tables>(tables: &T, address: &Address) -> Peer {
    match tables.peer(address) {
        Some(peer) => peer,
        None => Peer::WORLD,
    }
}

/// Judges the connection of `key`, opened in `origin`, towards `port`.
///
/// At most three look-ups: the peer's identity, its CIDR class, any peer. The highest precedence
/// wins; at equal precedence the more specific peer.
#[inline(always)]
pub fn judge<T: Tables>(
    tables: &T,
    endpoint: &Endpoint,
    key: &ConnectionKey,
    origin: Direction,
    port: u16,
) -> Judgement {
    let policy = endpoint.policy(origin);
    let peer = peer(tables, &key.remote);
    if policy == 0 {
        return Judgement {
            verdict: Verdict::Forward(ForwardReason::Unenforced),
            rule: 0,
            policy,
            match_type: match_type::NONE,
            peer,
            reply: false,
        };
    }
    let mut wanted = PolicyKey::full(policy, origin, peer.identity, key.protocol, port);
    let mut best = tables.policy(&wanted);
    let mut specific = true;
    if peer.class != 0 {
        wanted.peer = peer.class.to_be_bytes();
        if let Some(entry) = tables.policy(&wanted)
            && outranks(&entry, &best)
        {
            best = Some(entry);
        }
    }
    wanted.peer = PolicyKey::ANY_PEER.to_be_bytes();
    if let Some(entry) = tables.policy(&wanted)
        && outranks(&entry, &best)
    {
        best = Some(entry);
        specific = false;
    }
    decide(best, specific, policy, peer)
}

#[inline(always)]
fn outranks(entry: &PolicyEntry, best: &Option<PolicyEntry>) -> bool {
    match best {
        Some(best) => entry.precedence > best.precedence,
        None => true,
    }
}

#[inline(always)]
fn decide(entry: Option<PolicyEntry>, specific: bool, policy: u32, peer: Peer) -> Judgement {
    // Without a rule an entry says what none at all would: it stands before a wider one that allows.
    let Some(entry) = entry.filter(|entry| entry.rule != 0) else {
        return Judgement {
            verdict: Verdict::Drop(DropReason::DefaultDenied),
            rule: 0,
            policy,
            match_type: match_type::NONE,
            peer,
            reply: false,
        };
    };
    let verdict = if entry.action == Action::Allow as u8 {
        Verdict::Forward(ForwardReason::Allowed)
    } else {
        Verdict::Drop(DropReason::RuleDenied)
    };
    Judgement {
        verdict,
        rule: entry.rule,
        policy,
        match_type: matched(&entry, specific),
        peer,
        reply: false,
    }
}

#[inline(always)]
fn matched(entry: &PolicyEntry, specific: bool) -> u8 {
    let prefix = u32::from(entry.prefix);
    if prefix <= PolicyKey::PREFIX_PEER {
        if specific {
            match_type::L3_ONLY
        } else {
            match_type::ALL
        }
    } else if prefix <= PolicyKey::PREFIX_PROTOCOL {
        if specific {
            match_type::L3_PROTOCOL
        } else {
            match_type::PROTOCOL_ONLY
        }
    } else if specific {
        match_type::L3_L4
    } else {
        match_type::L4_ONLY
    }
}
