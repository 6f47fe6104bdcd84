//! The rules that have a say about one subject in one direction, in the order they are asked.

use std::sync::Arc;

use flowd_abi::Direction;

use super::{
    CompileError,
    ports::Claimant,
    precedence::{Level, precedence},
};
use crate::{
    object::{Destination, Destinations, Rule, Spec},
    reference::{Effect, PolicyRef, Tier},
};

/// The rules with their places in the order.
pub(super) struct Candidates<'a> {
    rules: Vec<(&'a Rule, Level)>,
    passing: bool,
}

impl<'a> Candidates<'a> {
    /// The rules of `direction` in specs that judge it. Those behind `last` are never asked.
    pub(super) fn new(
        judging: &[(&'a Arc<PolicyRef>, &'a Spec)],
        direction: Direction,
        last: Tier,
    ) -> Result<Self, CompileError> {
        let mut in_turn: Vec<_> = judging
            .iter()
            .filter(|(policy, _)| policy.turn.tier <= last)
            .collect();
        // Stable: what has the same turn stays in the order of the set.
        in_turn.sort_by_key(|(policy, _)| policy.turn);
        let mut rules = Vec::new();
        let (mut tier, mut first) = (Tier::Admin, 0);
        for (policy, spec) in in_turn {
            if policy.turn.tier != tier {
                (tier, first) = (policy.turn.tier, rules.len());
            }
            for rule in &spec.rules {
                if rule.reference.direction == direction {
                    let level = Level::of(tier, rules.len() - first);
                    rules.push((rule, level.ok_or(CompileError::TooManyEntries)?));
                }
            }
        }
        let passing = rules
            .iter()
            .any(|(rule, _)| rule.reference.action == Effect::Pass);
        Ok(Self { rules, passing })
    }

    /// The rules with their numbers.
    pub(super) fn rules(&self) -> impl Iterator<Item = (u32, &'a Rule)> {
        (0..).zip(self.rules.iter().map(|(rule, _)| *rule))
    }

    /// Whether any of them names a port.
    pub(super) fn name_ports(&self) -> bool {
        self.rules.iter().any(|(rule, _)| match &rule.destinations {
            Destinations::Any => false,
            Destinations::Of(list) => list.iter().any(|destination| match destination {
                Destination::Ports(_) => false,
                Destination::Named { .. } => true,
            }),
        })
    }

    /// Whether any of them leaves the decision to the next tier.
    pub(super) const fn passing(&self) -> bool {
        self.passing
    }

    /// Whether this one does.
    pub(super) fn passes(&self, claimant: Claimant) -> bool {
        self.rule(claimant)
            .is_some_and(|rule| rule.reference.action == Effect::Pass)
    }

    /// The rule behind a claim, when there is one.
    pub(super) fn rule(&self, claimant: Claimant) -> Option<&'a Rule> {
        self.numbered(claimant).map(|(rule, _)| *rule)
    }

    /// What a claimant does.
    pub(super) fn effect(&self, claimant: Claimant) -> Effect {
        match claimant {
            Claimant::Localhost | Claimant::DefaultAllow => Effect::Allow,
            Claimant::DefaultDeny => Effect::Deny,
            Claimant::Rule(_) => self
                .rule(claimant)
                .map_or(Effect::Deny, |rule| rule.reference.action),
        }
    }

    /// The precedence of its claims.
    pub(super) fn precedence(&self, claimant: Claimant) -> u32 {
        let level = match claimant {
            Claimant::Localhost => Level::LOCALHOST,
            Claimant::DefaultDeny => Level::DEFAULT_DENY,
            Claimant::DefaultAllow => Level::DEFAULT,
            Claimant::Rule(_) => self
                .numbered(claimant)
                .map_or(Level::DEFAULT, |(_, level)| *level),
        };
        precedence(level, self.effect(claimant))
    }

    fn numbered(&self, claimant: Claimant) -> Option<&(&'a Rule, Level)> {
        match claimant {
            Claimant::Rule(number) => self.rules.get(usize::try_from(number).ok()?),
            Claimant::Localhost | Claimant::DefaultDeny | Claimant::DefaultAllow => None,
        }
    }
}
