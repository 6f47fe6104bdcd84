//! The policy of each identity: compiled once, and again only when something it follows from changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flowd_abi::Direction;
use flowd_policy::{
    Changes, CompileError, CompiledDirection, Labels, Policy, PolicySet, Subject, Uses, World,
    compile,
};

use super::{Numbers, members::Group, plan::CompiledPolicy};

/// What is kept of one identity.
#[derive(Clone, Debug, Default)]
struct State {
    ingress: u32,
    egress: u32,
    uses: Uses,
    names: Arc<[String]>,
}

/// The policies of all identities.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects {
    states: BTreeMap<u32, State>,
    policies: BTreeMap<u32, CompiledPolicy>,
    /// Identities whose policy is to be compiled.
    pending: BTreeSet<u32>,
}

impl Subjects {
    /// Goes on to these identities.
    pub(super) fn follow(&mut self, groups: &BTreeMap<u32, Group>) {
        let gone = self
            .states
            .keys()
            .filter(|known| !groups.contains_key(known));
        for identity in gone.copied().collect::<Vec<_>>() {
            if let Some(state) = self.states.remove(&identity) {
                self.policies.remove(&state.ingress);
                self.policies.remove(&state.egress);
            }
        }
        self.pending.retain(|known| groups.contains_key(known));
        let new = groups
            .keys()
            .filter(|known| !self.states.contains_key(known));
        self.pending.extend(new.copied());
    }

    /// Marks those that follow from what changed in the world.
    pub(super) fn mark_world(&mut self, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        let touched = |(identity, state): &(&u32, &State)| changes.touch(**identity, &state.uses);
        let touched = self.states.iter().filter(touched);
        self.pending.extend(touched.map(|(identity, _)| *identity));
    }

    /// Marks all of them.
    pub(super) fn mark_all(&mut self) {
        self.pending.extend(self.states.keys());
    }

    /// Marks those that a changed policy selects, in its old form or its new one.
    pub(super) fn mark_policies(&mut self, changed: &[&Policy], groups: &BTreeMap<u32, Group>) {
        if changed.is_empty() {
            return;
        }
        let selects = |labels: &Labels| {
            let mut specs = changed.iter().flat_map(|policy| &policy.specs);
            specs.any(|spec| spec.subject.matches(Subject::of(labels)))
        };
        let selected: Vec<u32> = groups
            .iter()
            .filter(|(identity, group)| !self.pending.contains(identity) && selects(&group.labels))
            .map(|(identity, _)| *identity)
            .collect();
        self.pending.extend(selected);
    }

    /// Compiles what is marked. A policy that comes to the same as before keeps its id, so that
    /// connections judged by it stay judged. `changed` gets the identities that have another policy, or
    /// one of another name.
    ///
    /// # Errors
    ///
    /// When a policy cannot be compiled; it and those behind it stay marked.
    pub(super) fn compile(
        &mut self,
        policies: &PolicySet,
        groups: &BTreeMap<u32, Group>,
        world: &mut World,
        numbers: &mut Numbers,
        changed: &mut BTreeSet<u32>,
    ) -> Result<(), CompileError> {
        while let Some(&identity) = self.pending.first() {
            if let Some(group) = groups.get(&identity) {
                let subject = Subject::of(&group.labels);
                let compiled = compile(policies, subject, world, &mut numbers.rules)?;
                let before = self.states.remove(&identity).unwrap_or_default();
                let ingress = (Direction::Ingress, compiled.ingress);
                let egress = (Direction::Egress, compiled.egress);
                let state = State {
                    ingress: self.keep(before.ingress, ingress, numbers),
                    egress: self.keep(before.egress, egress, numbers),
                    uses: world.take_uses(),
                    names: names(policies, &group.labels, &before.names),
                };
                let same = (state.ingress, state.egress) == (before.ingress, before.egress)
                    && Arc::ptr_eq(&state.names, &before.names);
                if !same {
                    changed.insert(identity);
                }
                self.states.insert(identity, state);
            }
            self.pending.remove(&identity);
        }
        Ok(())
    }

    /// Ids of the policies of an identity, ingress and egress; 0 for none.
    pub(super) fn ids(&self, identity: u32) -> (u32, u32) {
        let state = self.states.get(&identity);
        state.map_or((0, 0), |state| (state.ingress, state.egress))
    }

    /// Names of the policies that select an identity.
    pub(super) fn names(&self, identity: u32) -> Arc<[String]> {
        let state = self.states.get(&identity);
        state.map_or_else(Default::default, |state| Arc::clone(&state.names))
    }

    /// The policies by id.
    pub(super) const fn policies(&self) -> &BTreeMap<u32, CompiledPolicy> {
        &self.policies
    }

    fn keep(
        &mut self,
        before: u32,
        (direction, compiled): (Direction, Option<CompiledDirection>),
        numbers: &mut Numbers,
    ) -> u32 {
        let Some(compiled) = compiled else {
            self.policies.remove(&before);
            return 0;
        };
        if let Some(old) = self.policies.get(&before) {
            if *old.compiled == compiled {
                return before;
            }
            self.policies.remove(&before);
        }
        let id = numbers.policy(&compiled.default_deny);
        let compiled = Arc::new(compiled);
        let policy = CompiledPolicy {
            direction,
            compiled,
        };
        self.policies.insert(id, policy);
        id
    }
}

fn names(policies: &PolicySet, labels: &Labels, before: &Arc<[String]>) -> Arc<[String]> {
    let selecting = policies.selecting(Subject::of(labels));
    let names: BTreeSet<String> = selecting
        .iter()
        .map(|(policy, _)| policy.to_string())
        .collect();
    if names.iter().eq(before.iter()) {
        Arc::clone(before)
    } else {
        names.into_iter().collect()
    }
}
