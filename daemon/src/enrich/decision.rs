//! What decided a verdict, as it was known when it was told.

use std::sync::{Arc, OnceLock};

use flowd_policy::{PolicyRef, RuleRef, RuleTable};

use super::Directory;

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
    /// `default_deny` (0 when it is none).
    pub fn new(directory: &Directory, rule: u32, default_deny: u32) -> Self {
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
        Self {
            rule,
            rules,
            default_deny,
            default_denied_by,
            encoded: OnceLock::new(),
        }
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
