//! The numbers that stand for sets of rules in the kernel's tables and in every event.
//!
//! A number means the same set for as long as anything may refer to it, also after a restart: the
//! table is what the daemon saves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use flowd_abi::Direction;
use serde::{Deserialize, Serialize};

use crate::reference::{Effect, PolicyRef, RuleRef};

/// Rule sets by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct RuleTable {
    sets: BTreeMap<u32, Arc<[RuleRef]>>,
    numbers: HashMap<Arc<[RuleRef]>, u32>,
    next: u32,
}

impl RuleTable {
    /// No rule set: nothing matched, or what matched says that nothing does.
    pub const NONE: u32 = 0;
    /// What no rule names and no default deny reaches: the set of an endpoint that policies select
    /// without denying what they do not name, and of its own host where that is always let in.
    pub const DEFAULT_ALLOW: u32 = 1;
    /// The first number a set of rules can have.
    pub const FIRST: u32 = 2;

    /// An empty table.
    pub fn new() -> Self {
        Self::starting_at(Self::FIRST)
    }

    /// An empty table whose numbers start at `first`, above any number still referred to.
    pub fn starting_at(first: u32) -> Self {
        Self {
            sets: BTreeMap::new(),
            numbers: HashMap::new(),
            next: first.max(Self::FIRST),
        }
    }

    /// The number of a set of rules, the same for the same set.
    pub fn intern(&mut self, rules: Vec<RuleRef>) -> u32 {
        if let Some(&number) = self.numbers.get(rules.as_slice()) {
            return number;
        }
        let number = self.free_number();
        let rules: Arc<[RuleRef]> = rules.into();
        self.sets.insert(number, Arc::clone(&rules));
        self.numbers.insert(rules, number);
        number
    }

    /// The rules behind a number; `None` for [`Self::NONE`], [`Self::DEFAULT_ALLOW`] and numbers
    /// never given or dropped.
    pub fn get(&self, number: u32) -> Option<&[RuleRef]> {
        self.sets.get(&number).map(AsRef::as_ref)
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Forgets every set whose number is not in `live`; returns how many.
    pub fn retain(&mut self, live: &BTreeSet<u32>) -> usize {
        let before = self.sets.len();
        self.sets.retain(|number, _| live.contains(number));
        self.numbers.retain(|_, number| live.contains(number));
        before - self.sets.len()
    }

    /// Numbers are not reused until the counter wraps, so that an old event cannot be told with a
    /// new rule.
    fn free_number(&mut self) -> u32 {
        while self.next < Self::FIRST || self.sets.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }
}

impl Default for RuleTable {
    fn default() -> Self {
        Self::new()
    }
}

/// The table as it is saved: each policy and each rule once.
#[derive(Serialize, Deserialize)]
struct Saved {
    next: u32,
    policies: Vec<PolicyRef>,
    rules: Vec<SavedRule>,
    sets: BTreeMap<u32, Vec<usize>>,
}

#[derive(Serialize, Deserialize)]
struct SavedRule {
    policy: usize,
    spec: Option<u32>,
    direction: u8,
    action: u8,
    index: u32,
    line: u32,
    log: Option<String>,
}

impl From<RuleTable> for Saved {
    fn from(table: RuleTable) -> Self {
        let mut saved = Self {
            next: table.next,
            policies: Vec::new(),
            rules: Vec::new(),
            sets: BTreeMap::new(),
        };
        let mut policies: HashMap<Arc<PolicyRef>, usize> = HashMap::new();
        let mut rules: HashMap<RuleRef, usize> = HashMap::new();
        for (number, set) in &table.sets {
            let members = set.iter().map(|rule| {
                if let Some(&position) = rules.get(rule) {
                    return position;
                }
                let policy = *policies.entry(Arc::clone(&rule.policy)).or_insert_with(|| {
                    saved.policies.push(PolicyRef::clone(&rule.policy));
                    saved.policies.len() - 1
                });
                saved.rules.push(SavedRule {
                    policy,
                    spec: rule.spec,
                    direction: rule.direction as u8,
                    action: rule.action as u8,
                    index: rule.index,
                    line: rule.line,
                    log: rule.log.clone(),
                });
                rules.insert(rule.clone(), saved.rules.len() - 1);
                saved.rules.len() - 1
            });
            let members = members.collect();
            saved.sets.insert(*number, members);
        }
        saved
    }
}

/// Why a saved table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A rule names a policy that was not saved, or carries an unknown direction or action.
    #[error("saved rule {0} is damaged; remove the saved rule table to start with an empty one")]
    Rule(usize),
    /// A set names a rule that was not saved.
    #[error(
        "saved rule set {0} is damaged; remove the saved rule table to start with an empty one"
    )]
    Set(u32),
}

impl TryFrom<Saved> for RuleTable {
    type Error = SavedError;

    fn try_from(saved: Saved) -> Result<Self, SavedError> {
        let policies: Vec<Arc<PolicyRef>> = saved.policies.into_iter().map(Arc::new).collect();
        let rules: Vec<RuleRef> = saved
            .rules
            .into_iter()
            .enumerate()
            .map(|(position, rule)| restore(&policies, rule).ok_or(SavedError::Rule(position)))
            .collect::<Result<_, _>>()?;
        let mut table = Self::starting_at(saved.next);
        for (number, members) in saved.sets {
            let set: Option<Arc<[RuleRef]>> = members
                .into_iter()
                .map(|position| rules.get(position).cloned())
                .collect();
            let set = set
                .filter(|_| number >= Self::FIRST)
                .ok_or(SavedError::Set(number))?;
            table.numbers.insert(Arc::clone(&set), number);
            table.sets.insert(number, set);
        }
        Ok(table)
    }
}

fn restore(policies: &[Arc<PolicyRef>], rule: SavedRule) -> Option<RuleRef> {
    Some(RuleRef {
        policy: Arc::clone(policies.get(rule.policy)?),
        spec: rule.spec,
        direction: Direction::from_number(rule.direction)?,
        action: Effect::from_number(rule.action)?,
        index: rule.index,
        line: rule.line,
        log: rule.log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::Labels,
        reference::{Kind, Turn},
    };

    fn rule(name: &str, index: u32) -> RuleRef {
        RuleRef {
            policy: Arc::new(PolicyRef {
                kind: Kind::CiliumNetworkPolicy,
                namespace: Some("shop".into()),
                name: name.into(),
                labels: Labels::reserved(&[]),
                file: "a.yaml".into(),
                line: 1,
                turn: Turn::default(),
            }),
            spec: None,
            direction: Direction::Ingress,
            action: Effect::Allow,
            index,
            line: 7,
            log: None,
        }
    }

    #[test]
    fn the_same_set_has_the_same_number() {
        let mut table = RuleTable::new();
        let first = table.intern(vec![rule("a", 0)]);
        let second = table.intern(vec![rule("a", 0), rule("b", 0)]);
        assert_eq!((first, second), (2, 3));
        assert_eq!(table.intern(vec![rule("a", 0)]), first);
        assert_eq!(table.get(second).unwrap().len(), 2);
        assert_eq!(table.get(RuleTable::DEFAULT_ALLOW), None);
    }

    #[test]
    fn a_dropped_number_is_not_given_again() {
        let mut table = RuleTable::new();
        let first = table.intern(vec![rule("a", 0)]);
        let second = table.intern(vec![rule("b", 0)]);
        assert_eq!(table.retain(&BTreeSet::from([second])), 1);
        assert_eq!(table.get(first), None);
        assert_eq!(table.intern(vec![rule("a", 0)]), second + 1);
    }

    #[test]
    fn numbers_wrap_past_the_reserved_ones() {
        let mut table = RuleTable::starting_at(u32::MAX);
        assert_eq!(table.intern(vec![rule("a", 0)]), u32::MAX);
        assert_eq!(table.intern(vec![rule("b", 0)]), RuleTable::FIRST);
    }

    #[test]
    fn survives_a_restart() {
        let mut table = RuleTable::new();
        table.intern(vec![rule("a", 0)]);
        let number = table.intern(vec![rule("a", 0), rule("a", 1), rule("b", 0)]);
        let text = serde_json::to_string(&table).unwrap();
        let mut back: RuleTable = serde_json::from_str(&text).unwrap();
        assert_eq!(back, table);
        assert_eq!(back.intern(table.get(number).unwrap().to_vec()), number);
    }

    #[test]
    fn a_damaged_table_is_refused() {
        let text = r#"{"next":3,"policies":[],"rules":[],"sets":{"2":[0]}}"#;
        let error = serde_json::from_str::<RuleTable>(text).unwrap_err();
        assert!(error.to_string().contains("saved rule set 2"), "{error}");
        let text = r#"{"next":3,"policies":[],"rules":[],"sets":{"1":[]}}"#;
        assert!(serde_json::from_str::<RuleTable>(text).is_err());
    }
}
