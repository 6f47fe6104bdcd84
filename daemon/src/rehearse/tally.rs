//! Counts what changes, by who talks to whom on what.

use std::collections::HashMap;

use flowd_abi::Direction;
use flowd_proto::Timestamp;
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{DiffChange, DiffResponse};

use super::judge::{Judge, Question};

/// Distinct connections whose answer is kept, at most: those behind are asked each time.
const MAX_ANSWERS: usize = 262_144;
/// Changes told, at most; the others are counted.
const MAX_CHANGES: usize = 1_000;
/// Groups kept, at most; what is behind is counted as unlisted.
const MAX_GROUPS: usize = 65_536;

/// Where a connection was found.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    Connection,
    Denied,
    Flow,
}

/// Who talks to whom, on what.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Group {
    source: String,
    destination: String,
    protocol: u8,
    port: u16,
    direction: Direction,
}

/// What was counted so far.
pub(super) struct Tally {
    judge: Judge,
    /// The group of each connection whose verdict changes, with the two verdicts told once.
    answers: HashMap<Question, Option<Group>>,
    groups: HashMap<Group, DiffChange>,
    counts: DiffResponse,
}

impl Tally {
    pub(super) fn new(judge: Judge) -> Self {
        Self {
            judge,
            answers: HashMap::new(),
            groups: HashMap::new(),
            counts: DiffResponse::default(),
        }
    }

    /// Counts one connection; `None` is one that nobody can judge from what is known of it.
    pub(super) fn count(&mut self, seen: Seen, question: Option<Question>) {
        let counts = &mut self.counts;
        *match seen {
            Seen::Connection => &mut counts.connections,
            Seen::Denied => &mut counts.denied,
            Seen::Flow => &mut counts.flows,
        } += 1;
        let Some(question) = question else {
            counts.unknown += 1;
            return;
        };
        let group = match self.answers.get(&question) {
            Some(known) => known.clone(),
            None => {
                let group = self.ask(&question);
                if self.answers.len() < MAX_ANSWERS {
                    self.answers.insert(question, group.clone());
                }
                group
            }
        };
        let Some(change) = group.and_then(|group| self.groups.get_mut(&group)) else {
            return;
        };
        *match seen {
            Seen::Connection => &mut change.connections,
            Seen::Denied => &mut change.denied,
            Seen::Flow => &mut change.flows,
        } += 1;
    }

    /// The group of a connection whose verdict changes.
    fn ask(&mut self, question: &Question) -> Option<Group> {
        let Some([before, after]) = self.judge.ask(question) else {
            self.counts.unknown += 1;
            return None;
        };
        if before.passes == after.passes {
            return None;
        }
        let (source, destination) = match question.direction {
            Direction::Egress => (question.local, question.remote),
            Direction::Ingress => (question.remote, question.local),
        };
        let group = Group {
            source: self.judge.name(source),
            destination: self.judge.name(destination),
            protocol: question.protocol,
            port: question.port,
            direction: question.direction,
        };
        if !self.groups.contains_key(&group) {
            if self.groups.len() >= MAX_GROUPS {
                self.counts.unlisted += 1;
                return None;
            }
            let direction = match question.direction {
                Direction::Egress => TrafficDirection::Egress,
                Direction::Ingress => TrafficDirection::Ingress,
            };
            let change = DiffChange {
                source: group.source.clone(),
                destination: group.destination.clone(),
                protocol: u32::from(group.protocol),
                port: u32::from(group.port),
                direction: direction.into(),
                before: Some(before),
                after: Some(after),
                mode: self.judge.mode(question.local).name().to_owned(),
                ..DiffChange::default()
            };
            self.groups.insert(group.clone(), change);
        }
        Some(group)
    }

    /// What was counted: what is cut before what is let through, live connections before flows.
    pub(super) fn into_response(self, oldest: Option<i64>, notes: Vec<String>) -> DiffResponse {
        let mut changes: Vec<DiffChange> = self.groups.into_values().collect();
        changes.sort_by_cached_key(|change| {
            let opened = change.after.as_ref().is_some_and(|after| after.passes);
            let most = std::cmp::Reverse((change.connections, change.denied, change.flows));
            let names = (change.source.clone(), change.destination.clone());
            (
                opened,
                most,
                names,
                change.protocol,
                change.port,
                change.direction,
            )
        });
        let unlisted = changes.len().saturating_sub(MAX_CHANGES) as u64;
        changes.truncate(MAX_CHANGES);
        DiffResponse {
            changes,
            unlisted: self.counts.unlisted + unlisted,
            oldest_flow: oldest.map(|time| Timestamp::from_unix_nanos(time.max(0) as u64)),
            notes,
            ..self.counts
        }
    }
}
