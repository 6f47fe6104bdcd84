//! What would have become of a connection.

use std::sync::{Arc, OnceLock};

use flowd_abi::Verdict;
use flowd_policy::{PolicyRef, RuleRef};

use super::tallies::{Enforced, Tally};

/// The verdict of enforced and shadow policies together, with the names of its time. Shared by all
/// flows it is the same for.
#[derive(Debug)]
pub struct Shadowed {
    /// Forward or drop; never audit, for the endpoint's mode is not asked.
    pub verdict: Verdict,
    /// The rules that would decide.
    pub rules: Vec<RuleRef>,
    /// The policies that would switch the workload to default deny, where that would decide.
    pub default_denied_by: Vec<Arc<PolicyRef>>,
    /// Those of the shadow policies among them.
    pub(super) tallies: Vec<Arc<Tally>>,
    /// Its field of a flow's extension, built by the first client's edge that needs it.
    pub(crate) encoded: OnceLock<Vec<u8>>,
}

impl Shadowed {
    /// Whether it would pass.
    #[inline]
    pub const fn passes(&self) -> bool {
        Enforced::of(self.verdict).allowed()
    }

    /// Whether that differs from what was enforced: allowed here, denied there. An audited denial is
    /// one.
    #[inline]
    pub const fn changes(&self, enforced: Verdict) -> bool {
        self.passes() != Enforced::of(enforced).allowed()
    }

    /// Counts it for its shadow policies.
    #[inline]
    pub(crate) fn count(&self, enforced: Verdict, time: i64) {
        for tally in &self.tallies {
            tally.add(Enforced::of(enforced), self.passes(), time);
        }
    }
}
