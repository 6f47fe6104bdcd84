//! From policies to the entries the eBPF programs look up.

mod digest;
mod peers;
mod ports;
mod precedence;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use flowd_abi::{Action, Direction, PolicyEntry, PolicyKey};
use ipnet::IpNet;

use crate::{
    labels::Labels,
    object::{Destinations, PolicyRef, Rule, Spec},
    rules::RuleTable,
    set::PolicySet,
    world::World,
};
pub use digest::Digest;
use peers::PeerNumbers;
use ports::{Claim, Cover, Winners};
use precedence::{Level, precedence};

/// Whose policy is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The endpoint's labels.
    pub labels: &'a Labels,
}

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
    let selecting = policies.selecting(subject.labels);
    Ok(Compiled {
        ingress: compile_direction(&selecting, Direction::Ingress, world, rules)?,
        egress: compile_direction(&selecting, Direction::Egress, world, rules)?,
    })
}

fn compile_direction(
    selecting: &[(&Arc<PolicyRef>, &Spec)],
    direction: Direction,
    world: &mut World,
    rules: &mut RuleTable,
) -> Result<Option<CompiledDirection>, CompileError> {
    let judging: Vec<_> = selecting
        .iter()
        .filter(|(_, spec)| spec.judges(direction))
        .collect();
    if judging.is_empty() {
        return Ok(None);
    }
    let candidates: Vec<&Rule> = judging
        .iter()
        .flat_map(|(_, spec)| &spec.rules)
        .filter(|rule| rule.reference.direction == direction)
        .collect();
    let mut default_deny: Vec<Arc<PolicyRef>> = judging
        .iter()
        .filter(|(_, spec)| spec.default_deny(direction))
        .map(|(policy, _)| Arc::clone(policy))
        .collect();
    default_deny.dedup();

    let mut table = Table {
        direction,
        candidates: &candidates,
        rules,
        numbers: HashMap::new(),
        entries: Vec::new(),
    };
    for (group, peers) in groups(&candidates, world)? {
        table.add(&group, &peers);
    }
    if default_deny.is_empty() {
        table.allow_by_default();
    }
    let mut entries = table.entries;
    entries.sort_by_key(CompiledEntry::order);
    Ok(Some(CompiledDirection {
        entries,
        default_deny,
    }))
}

/// Peers about which the same candidates speak get the same entries.
fn groups(
    candidates: &[&Rule],
    world: &mut World,
) -> Result<BTreeMap<Vec<u32>, Vec<u32>>, CompileError> {
    let mut by_peer: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, rule) in (0..).zip(candidates) {
        match peers::numbers(rule, world)? {
            PeerNumbers::Any => by_peer.entry(PolicyKey::ANY_PEER).or_default().push(number),
            PeerNumbers::Of(peers) => {
                for peer in peers {
                    by_peer.entry(peer).or_default().push(number);
                }
            }
        }
    }
    let mut groups: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
    for (peer, numbers) in by_peer {
        groups.entry(numbers).or_default().push(peer);
    }
    Ok(groups)
}

/// The entries of one direction while they are collected.
struct Table<'a> {
    direction: Direction,
    candidates: &'a [&'a Rule],
    rules: &'a mut RuleTable,
    numbers: HashMap<Vec<u32>, u32>,
    entries: Vec<CompiledEntry>,
}

impl Table<'_> {
    fn add(&mut self, group: &[u32], peers: &[u32]) {
        let claims: Vec<Claim> = group
            .iter()
            .flat_map(|&number| self.claims(number))
            .collect();
        for (cover, winners) in ports::pieces(&claims) {
            let Some(action) = winners.rules.first().and_then(|&rule| self.rule(rule)) else {
                continue;
            };
            let action = action.reference.action;
            let number = self.number(winners.rules.clone());
            for &peer in peers {
                let entry = self.entry(peer, cover, action, &winners, number);
                self.entries.push(entry);
            }
        }
    }

    fn rule(&self, number: u32) -> Option<&Rule> {
        let position = usize::try_from(number).ok()?;
        self.candidates.get(position).copied()
    }

    fn claims(&self, number: u32) -> Vec<Claim> {
        let Some(rule) = self.rule(number) else {
            return Vec::new();
        };
        let claim = |destination| Claim {
            rule: number,
            precedence: precedence(Level::NORMAL, rule.reference.action),
            destination,
        };
        match &rule.destinations {
            Destinations::Any => vec![claim(None)],
            Destinations::Of(list) => list
                .iter()
                .map(|range| claim(Some((range.protocol, range.first, range.last))))
                .collect(),
        }
    }

    fn number(&mut self, winners: Vec<u32>) -> u32 {
        if let Some(&number) = self.numbers.get(&winners) {
            return number;
        }
        let set = winners
            .iter()
            .filter_map(|&rule| self.rule(rule))
            .map(|rule| rule.reference.clone())
            .collect();
        let number = self.rules.intern(set);
        self.numbers.insert(winners, number);
        number
    }

    fn entry(
        &self,
        peer: u32,
        cover: Cover,
        action: Action,
        winners: &Winners,
        rule: u32,
    ) -> CompiledEntry {
        let (prefix, protocol, port) = match cover {
            Cover::All => (PolicyKey::PREFIX_PEER, 0, 0),
            Cover::Protocol(protocol) => (PolicyKey::PREFIX_PROTOCOL, protocol, 0),
            Cover::Ports {
                protocol,
                port,
                bits,
            } => (PolicyKey::PREFIX_PROTOCOL + u32::from(bits), protocol, port),
        };
        CompiledEntry {
            key: PolicyKey {
                prefix,
                ..PolicyKey::full(0, self.direction, peer, protocol, port)
            },
            value: PolicyEntry {
                precedence: winners.precedence,
                rule,
                action: action as u8,
                prefix: prefix.to_le_bytes()[0],
                pad: [0; 2],
            },
        }
    }

    /// A rule that already covers any peer on any protocol outranks the default.
    fn allow_by_default(&mut self) {
        let winners = Winners {
            precedence: precedence(Level::DEFAULT, Action::Allow),
            rules: Vec::new(),
        };
        let entry = self.entry(
            PolicyKey::ANY_PEER,
            Cover::All,
            Action::Allow,
            &winners,
            RuleTable::DEFAULT_ALLOW,
        );
        if self
            .entries
            .iter()
            .all(|existing| existing.key != entry.key)
        {
            self.entries.push(entry);
        }
    }
}
