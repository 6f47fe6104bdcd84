//! Putting our programs back on devices from which somebody else has taken them.

use std::{collections::BTreeMap, sync::PoisonError};

use super::applier::Applier;
use crate::{
    kernel::Side,
    resolve::{Plan, PlannedEndpoint},
};

/// What a pinned link means that takes our program and does not bring it to the device.
const ELSEWHERE: &str = "the pinned link of this device number is on a device of another network \
    namespace: run `flowd detach` and start again";

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
