//! The section `control`: how often the control loop looks by itself.

use std::time::Duration;

use serde::Deserialize;

/// The section as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ControlSection {
    look_interval: Option<u32>,
}

impl ControlSection {
    /// How often files and devices are looked at although nothing told that they changed.
    pub(super) fn look(&self) -> Duration {
        Duration::from_secs(self.look_interval.unwrap_or(2).into())
    }
}
