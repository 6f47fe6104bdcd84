//! The entries of one direction while they are collected.

use std::collections::HashMap;

use flowd_abi::{Action, Direction, PolicyEntry, PolicyKey};

use super::{
    CompileError, CompiledEntry, MAX_ENTRIES,
    parts::Part,
    ports::{self, Claim, Cover, Winners},
    precedence::{Level, precedence},
};
use crate::{
    object::{Destination, Destinations, PortRange, Rule},
    rules::RuleTable,
};

/// Collects entries; rule sets get their numbers on the way.
pub(super) struct Table<'a> {
    direction: Direction,
    candidates: &'a [&'a Rule],
    rules: &'a mut RuleTable,
    numbers: HashMap<Vec<u32>, u32>,
    entries: Vec<CompiledEntry>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        direction: Direction,
        candidates: &'a [&'a Rule],
        rules: &'a mut RuleTable,
    ) -> Self {
        Self {
            direction,
            candidates,
            rules,
            numbers: HashMap::new(),
            entries: Vec::new(),
        }
    }

    pub(super) fn into_entries(self) -> Vec<CompiledEntry> {
        self.entries
    }

    /// Adds what `parts` say, for each of `peers`.
    pub(super) fn add(&mut self, parts: &[Part], peers: &[u32]) -> Result<(), CompileError> {
        let claims: Vec<Claim> = parts.iter().flat_map(|part| self.claims(part)).collect();
        let pieces = ports::pieces(&claims);
        if self.entries.len() + pieces.len().saturating_mul(peers.len()) > MAX_ENTRIES {
            return Err(CompileError::TooManyEntries);
        }
        for (cover, winners) in pieces {
            let Some(rule) = winners.rules.first().and_then(|&rule| self.rule(rule)) else {
                continue;
            };
            let action = rule.reference.action;
            let number = self.number(winners.rules.clone());
            for &peer in peers {
                let entry = self.entry(peer, cover, action, &winners, number);
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Allows a peer what no rule speaks about. A rule that already covers the peer on any protocol
    /// outranks it.
    pub(super) fn allow_by_default(&mut self, peer: u32) {
        let winners = Winners {
            precedence: precedence(Level::DEFAULT, Action::Allow),
            rules: Vec::new(),
        };
        let entry = self.entry(
            peer,
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

    fn rule(&self, number: u32) -> Option<&'a Rule> {
        let position = usize::try_from(number).ok()?;
        self.candidates.get(position).copied()
    }

    fn claims(&self, part: &Part) -> Vec<Claim> {
        let Some(rule) = self.rule(part.rule) else {
            return Vec::new();
        };
        let claim = |destination: Option<&PortRange>| Claim {
            rule: part.rule,
            precedence: precedence(Level::NORMAL, rule.reference.action),
            destination: destination.map(|range| (range.protocol, range.first, range.last)),
        };
        let by_name = part.by_name.iter().map(|range| claim(Some(range)));
        match &rule.destinations {
            Destinations::Any => vec![claim(None)],
            Destinations::Of(_) if !part.by_number => by_name.collect(),
            Destinations::Of(list) => {
                let by_number = list.iter().filter_map(|destination| match destination {
                    Destination::Ports(range) => Some(claim(Some(range))),
                    Destination::Named { .. } => None,
                });
                by_number.chain(by_name).collect()
            }
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
}
