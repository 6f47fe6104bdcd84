//! From policies to the entries the eBPF programs look up.

mod candidates;
mod digest;
mod groups;
mod parts;
mod peers;
mod ports;
mod precedence;
mod table;

use std::{collections::BTreeSet, sync::Arc};

use flowd_abi::{Direction, PolicyEntry, PolicyKey};
use ipnet::IpNet;

use crate::{
    object::Spec,
    reference::{PolicyRef, Tier},
    rules::RuleTable,
    set::{Options, PolicySet},
    subject::Subject,
    uses::Uses,
    world::World,
};
use candidates::Candidates;
pub use digest::Digest;
use parts::Besides;
use ports::Claimant;
use table::Table;

/// More entries than this for one endpoint and direction are refused before they fill the memory.
pub const MAX_ENTRIES: usize = 1 << 20;

/// Why policies cannot be compiled against a world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A deny would miss addresses, so nothing is compiled.
    #[error(
        "{policy} names {prefix}, which has no CIDR class; give every prefix of `cidr::prefixes` a class first"
    )]
    MissingClass {
        /// The prefix without a class.
        prefix: IpNet,
        /// The policy that names it.
        policy: Arc<PolicyRef>,
    },
    /// More than any table holds.
    #[error(
        "more than {MAX_ENTRIES} entries for one endpoint in one direction; name fewer peers or \
         wider port ranges"
    )]
    TooManyEntries,
}

/// What the policies mean for one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// `None`: no policy selects the endpoint in this direction, nothing is enforced.
    pub ingress: Option<CompiledDirection>,
    /// `None`: no policy selects the endpoint in this direction, nothing is enforced.
    pub egress: Option<CompiledDirection>,
}

impl Compiled {
    /// The entries of one direction.
    pub const fn direction(&self, direction: Direction) -> Option<&CompiledDirection> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }
}

/// What the policies mean for one endpoint in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledDirection {
    /// The entries, sorted by peer, prefix length, protocol and port.
    pub entries: Vec<CompiledEntry>,
    /// The policies that deny what no rule allows; empty when the endpoint is not in default deny.
    pub default_deny: Vec<Arc<PolicyRef>>,
}

/// One entry of the policy table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompiledEntry {
    /// The key, with policy id 0.
    pub key: PolicyKey,
    /// The value.
    pub value: PolicyEntry,
}

impl CompiledEntry {
    /// The same entry under a policy id.
    #[must_use]
    pub const fn with_policy(mut self, policy: u32) -> Self {
        self.key.policy = policy.to_be_bytes();
        self
    }

    /// The peer the entry is about: an identity, a CIDR class, or [`PolicyKey::ANY_PEER`].
    pub const fn peer(&self) -> u32 {
        u32::from_be_bytes(self.key.peer)
    }

    fn order(&self) -> (u32, u32, u8, [u8; 2]) {
        (
            self.peer(),
            self.key.prefix,
            self.key.protocol,
            self.key.port,
        )
    }
}

/// Compiles what `policies` mean for `subject`.
///
/// The entries are in a fixed order and the numbers of rule sets already known to `rules` do not
/// change, so equal policies over an equal world compile to equal results.
///
/// # Errors
/// When a rule names a prefix that has no class in `world`.
pub fn compile(
    policies: &PolicySet,
    subject: Subject<'_>,
    world: &mut World,
    rules: &mut RuleTable,
) -> Result<Compiled, CompileError> {
    let selecting = policies.selecting(subject);
    *world.uses() = Uses::default();
    let ground = Ground {
        subject,
        options: policies.options(),
    };
    Ok(Compiled {
        ingress: compile_direction(&selecting, ground, Direction::Ingress, world, rules)?,
        egress: compile_direction(&selecting, ground, Direction::Egress, world, rules)?,
    })
}

/// For whom is compiled, and what holds besides the policies.
#[derive(Clone, Copy)]
struct Ground<'a> {
    subject: Subject<'a>,
    options: Options,
}

impl Ground<'_> {
    const fn lets_localhost(self, direction: Direction) -> bool {
        match (self.subject, direction) {
            (Subject::Endpoint { .. }, Direction::Ingress) => self.options.allow_localhost,
            (Subject::Endpoint { .. }, Direction::Egress) | (Subject::Node { .. }, _) => false,
        }
    }
}

fn compile_direction(
    selecting: &[(&Arc<PolicyRef>, &Spec)],
    ground: Ground<'_>,
    direction: Direction,
    world: &mut World,
    rules: &mut RuleTable,
) -> Result<Option<CompiledDirection>, CompileError> {
    let judging: Vec<_> = selecting
        .iter()
        .filter(|(_, spec)| spec.judges(direction))
        .copied()
        .collect();
    if judging.is_empty() {
        return Ok(None);
    }
    let mut default_deny: Vec<Arc<PolicyRef>> = judging
        .iter()
        .filter(|(_, spec)| spec.default_deny(direction))
        .map(|(policy, _)| Arc::clone(policy))
        .collect();
    default_deny.dedup();
    let denying = !default_deny.is_empty();
    // Nothing gets past a default deny.
    let last = if denying {
        Tier::Normal
    } else {
        Tier::Baseline
    };
    let candidates = Candidates::new(&judging, direction, last)?;
    let besides = Besides {
        everyone: match (denying, candidates.passing()) {
            (false, _) => Some(Claimant::DefaultAllow),
            (true, true) => Some(Claimant::DefaultDeny),
            // What has no entry is denied.
            (true, false) => None,
        },
        let_in: if denying && ground.lets_localhost(direction) {
            peers::host(world)
        } else {
            BTreeSet::new()
        },
    };
    world.uses().names_of_peers |= direction == Direction::Egress && candidates.name_ports();
    let ports = world.named_ports_of(ground.subject.labels()).cloned();
    let by_peer = parts::by_peer(&candidates, &besides, ports.as_ref(), world)?;
    let mut table = Table::new(direction, &candidates, rules);
    for ((rank, parts), peers) in groups::groups(&candidates, &by_peer, world) {
        table.add(rank, &parts, &peers)?;
    }
    let mut entries = table.into_entries();
    entries.sort_by_key(CompiledEntry::order);
    Ok(Some(CompiledDirection {
        entries,
        default_deny,
    }))
}
