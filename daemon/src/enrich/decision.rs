//! What decided a verdict, as it was known when it was told.

use std::sync::{Arc, OnceLock};

use flowd_policy::{PolicyRef, RuleRef, RuleTable};

use super::Directory;
use super::hits::{Hits, Key, Tallies};

/// The rules behind a verdict, or the policies behind a default deny.
#[derive(Debug, Default)]
pub struct Decision {
    /// Number of the set of rules, 0 where no rule decided.
    pub rule: u32,
    /// The rules that decided; `None` when the number is not known.
    pub rules: Option<Vec<RuleRef>>,
    /// Policy id of a default deny, 0 when it was none.
    pub default_deny: u32,
    /// The policies that switched the workload to default deny, when that is what decided; `None`
    /// when they are not known.
    pub default_denied_by: Option<Vec<Arc<PolicyRef>>>,
    /// Where its hits are counted.
    pub tallies: Tallies,
    /// Its messages, built by the first client's edge that needs them.
    pub(crate) encoded: OnceLock<EncodedDecision>,
}

/// The parts of a flow's message that depend on nothing but the decision.
#[derive(Debug, Default)]
pub(crate) struct EncodedDecision {
    /// `flow.Policy` of each policy named, without the revision.
    pub(crate) policies: Vec<Vec<u8>>,
    /// `rules` and `default_denied_by` of the extension.
    pub(crate) extension: Vec<u8>,
    /// `policy_log` of the flow.
    pub(crate) log: Vec<u8>,
}

impl Decision {
    /// Looks up a set of rules, and the policies behind a default deny of policy id
    /// `default_deny` (0 when it is none). Its hits count among `hits`.
    pub fn new(directory: &Directory, rule: u32, default_deny: u32, hits: &Hits) -> Self {
        let rules = match rule {
            RuleTable::NONE | RuleTable::DEFAULT_ALLOW => Some(Vec::new()),
            _ => directory.rules.get(rule).map(<[RuleRef]>::to_vec),
        };
        let default_denied_by = match default_deny {
            0 => Some(Vec::new()),
            policy => directory
                .default_deny
                .get(&policy)
                .map(|policies| policies.to_vec()),
        };
        let mut decision = Self {
            rule,
            rules,
            default_deny,
            default_denied_by,
            tallies: Tallies::default(),
            encoded: OnceLock::new(),
        };
        decision.tallies = hits.tallies(decision.keys());
        decision
    }

    /// What a hit of it counts for: each rule, the default deny of each policy, each policy once.
    fn keys(&self) -> Vec<Key> {
        let policies = self.policies().into_iter().map(Key::policy);
        let rules = self.rules.iter().flatten().map(Key::rule);
        let deniers = self.default_deniers().map(Key::default_deny);
        let unknown = self.rules.is_none() || self.default_denied_by.is_none();
        let unknown = unknown.then_some(Key::Unknown);
        policies
            .chain(rules)
            .chain(deniers)
            .chain(unknown)
            .collect()
    }

    /// The policies to name: those of the rules that decided, or those that switched the workload
    /// to default deny; each once, in order.
    pub fn policies(&self) -> Vec<&PolicyRef> {
        let deciders = self.rules.iter().flatten().map(|rule| rule.policy.as_ref());
        let mut policies: Vec<&PolicyRef> = Vec::new();
        for policy in deciders.chain(self.default_deniers()) {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        policies
    }

    /// The policies that switched the workload to default deny.
    pub fn default_deniers(&self) -> impl Iterator<Item = &PolicyRef> {
        self.default_denied_by.iter().flatten().map(AsRef::as_ref)
    }
}
