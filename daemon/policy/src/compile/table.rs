//! The entries of one direction while they are collected.

use std::collections::HashMap;

use flowd_abi::{Action, Direction, PolicyEntry, PolicyKey};

use super::{
    CompileError, CompiledEntry, MAX_ENTRIES,
    candidates::Candidates,
    groups::Rank,
    parts::Part,
    ports::{self, Claim, Claimant, Cover, Winners},
    precedence::precedence,
};
use crate::{
    object::{Destination, Destinations, PortRange},
    rules::RuleTable,
};

/// Collects entries; rule sets get their numbers on the way.
pub(super) struct Table<'a> {
    direction: Direction,
    candidates: &'a Candidates<'a>,
    rules: &'a mut RuleTable,
    numbers: HashMap<Vec<Claimant>, u32>,
    entries: Vec<CompiledEntry>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        direction: Direction,
        candidates: &'a Candidates<'a>,
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
    pub(super) fn add(
        &mut self,
        rank: Rank,
        parts: &[Part],
        peers: &[u32],
    ) -> Result<(), CompileError> {
        let claims: Vec<Claim> = parts.iter().flat_map(|part| self.claims(part)).collect();
        let pieces = ports::pieces(&claims);
        if self.entries.len() + pieces.len().saturating_mul(peers.len()) > MAX_ENTRIES {
            return Err(CompileError::TooManyEntries);
        }
        for (cover, winners) in pieces {
            let Some(&first) = winners.claimants.first() else {
                continue;
            };
            let effect = self.candidates.effect(first);
            let Some(action) = effect.decision() else {
                continue;
            };
            let precedence = rank
                .level()
                .map_or(winners.precedence, |level| precedence(level, effect));
            let rule = self.number(&winners);
            for &peer in peers {
                let value = (precedence, action, rule);
                self.entries.push(self.entry(peer, cover, value));
            }
        }
        Ok(())
    }

    fn claims(&self, part: &Part) -> Vec<Claim> {
        let claim = |destination: Option<&PortRange>| Claim {
            claimant: part.claimant,
            precedence: self.candidates.precedence(part.claimant),
            destination: destination.map(|range| (range.protocol, range.first, range.last)),
        };
        let Some(rule) = self.candidates.rule(part.claimant) else {
            return vec![claim(None)];
        };
        let by_name = part.by_name.iter().map(|range| claim(Some(range)));
        match &rule.destinations {
            Destinations::Any if part.by_number => vec![claim(None)],
            Destinations::Any => Vec::new(),
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

    /// The number of what wins: claimants of one precedence are either all rules, or none is.
    fn number(&mut self, winners: &Winners) -> u32 {
        match winners.claimants.first() {
            Some(Claimant::Localhost | Claimant::DefaultAllow) => return RuleTable::DEFAULT_ALLOW,
            None | Some(Claimant::DefaultDeny) => return RuleTable::NONE,
            Some(Claimant::Rule(_)) => {}
        }
        if let Some(&number) = self.numbers.get(&winners.claimants) {
            return number;
        }
        let set = winners
            .claimants
            .iter()
            .filter_map(|&claimant| self.candidates.rule(claimant))
            .map(|rule| rule.reference.clone())
            .collect();
        let number = self.rules.intern(set);
        self.numbers.insert(winners.claimants.clone(), number);
        number
    }

    fn entry(
        &self,
        peer: u32,
        cover: Cover,
        (precedence, action, rule): (u32, Action, u32),
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
                precedence,
                rule,
                action: action as u8,
                prefix: prefix.to_le_bytes()[0],
                pad: [0; 2],
            },
        }
    }
}
