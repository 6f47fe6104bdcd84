//! The section `policy`: what holds besides the policies.

use flowd_policy::Options;
use serde::Deserialize;

/// The section as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicySection {
    allow_localhost: bool,
}

impl PolicySection {
    pub(super) const fn options(&self) -> Options {
        Options {
            allow_localhost: self.allow_localhost,
        }
    }
}
