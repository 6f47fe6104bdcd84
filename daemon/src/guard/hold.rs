//! What becomes of new workloads whose plan could not be written as a whole.

use std::collections::BTreeMap;

use flowd_abi::Endpoint;
use thiserror::Error;

use super::applier::{Applier, ApplyError};
use crate::resolve::Plan;

/// A plan that could not be written as a whole.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct Unapplied {
    /// What was in the way.
    pub error: ApplyError,
    /// Workloads without any policy so far that are not guarded because of it.
    pub failed: BTreeMap<u32, String>,
}

impl Applier {
    /// Puts new workloads under their own policy where that is in the table as a whole, although the
    /// rest of their plan is not: nobody whom a policy selects is left open because a table is full.
    /// The addresses of the plan are not known yet, so sources are not checked.
    pub(super) fn hold(&mut self, plan: &Plan, error: &ApplyError) -> BTreeMap<u32, String> {
        let mut failed = BTreeMap::new();
        for (ifindex, endpoint) in &plan.endpoints {
            let known = self.endpoints.get(ifindex).map(|(known, _)| *known);
            if known.is_some_and(|known| known.generation != 0) {
                continue;
            }
            failed.insert(*ifindex, error.to_string());
            let ids = [endpoint.value.ingress_policy, endpoint.value.egress_policy];
            let whole = |id: &u32| *id == 0 || self.policies.contains_key(id);
            if !ids.iter().all(whole) {
                continue;
            }
            let value = endpoint.interim(plan.interim, &Endpoint::default());
            let held = self
                .attach_one(endpoint, *ifindex)
                .map_err(|error| error.to_string())
                .and_then(|()| {
                    let put = self.put_endpoint(*ifindex, endpoint, value);
                    put.map_err(|error| error.to_string())
                });
            if let Err(why) = held {
                failed.insert(*ifindex, why);
            }
        }
        failed
    }
}
