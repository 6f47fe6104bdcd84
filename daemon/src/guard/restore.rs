//! Putting our programs back on devices from which somebody else has taken them.

use std::{
    collections::BTreeMap,
    sync::PoisonError,
    time::{Duration, Instant},
};

use super::{Control, applier::Applier};
use crate::{
    kernel::Side,
    resolve::{Plan, PlannedEndpoint},
};

/// What a pinned link means that takes our program and does not bring it to the device.
const ELSEWHERE: &str = "the pinned link of this device number is on a device of another network \
    namespace: run `flowd detach` and start again";

/// The hooks of all devices are looked at this often.
const RESTORE: Duration = Duration::from_secs(2);

impl Control {
    /// Puts the programs back where somebody took them off, now and then.
    pub(super) fn restore(&mut self) {
        if Instant::now() < self.restore {
            return;
        }
        let begun = Instant::now();
        let lost = self.parts.applier.restore(self.parts.resolver.plan());
        // Many devices are looked at less often: a fiftieth of one core, at most.
        self.restore = begun + RESTORE.max(begun.elapsed() * 50);
        self.unapplied |= !lost.is_empty();
        self.attach_failures.extend(lost);
    }
}

impl Applier {
    /// Attaches again where somebody else has taken our programs off, and names the devices where
    /// that failed.
    pub fn restore(&self, plan: &Plan) -> BTreeMap<u32, String> {
        let mut failed = BTreeMap::new();
        for (ifindex, endpoint) in &plan.endpoints {
            let attached = self
                .endpoints
                .get(ifindex)
                .is_some_and(|(_, device)| !device.is_empty());
            if !attached || self.are_on(endpoint) {
                continue;
            }
            tracing::warn!(
                device = &*endpoint.device,
                "somebody took our programs off; attaching again"
            );
            match self.attach_one(endpoint, *ifindex) {
                Err(error) => {
                    failed.insert(*ifindex, error.to_string());
                }
                Ok(()) if !self.are_on(endpoint) => {
                    failed.insert(*ifindex, ELSEWHERE.to_owned());
                }
                Ok(()) => {}
            }
        }
        failed
    }

    fn are_on(&self, endpoint: &PlannedEndpoint) -> bool {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = Side::of(&endpoint.value);
        let on = self
            .attachments
            .are_on(&mut kernel, &endpoint.device, whose);
        on.unwrap_or(true)
    }
}
