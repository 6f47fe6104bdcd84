//! The section `host`: the devices on which policies for this node are enforced, and its labels.

use std::collections::{BTreeMap, BTreeSet};

use flowd_policy::{
    Label, Labels,
    labels::{self, SOURCE_K8S, SOURCE_RESERVED},
};
use serde::Deserialize;

/// Devices of one host, at most.
const MAX_DEVICES: usize = 64;

/// The section as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HostSection {
    devices: Written,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(Vec<String>),
}

impl Default for Written {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// This node, as policies with a `nodeSelector` see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Where its packets are met.
    pub devices: HostDevices,
    /// `reserved:host` and its own.
    pub labels: Labels,
}

/// The devices on which policies for the node are enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostDevices {
    /// Those that a default route leaves by.
    Auto,
    /// These; none switches host policies off.
    Named(BTreeSet<String>),
}

impl HostDevices {
    /// Whether host policies are enforced nowhere.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Auto => false,
            Self::Named(names) => names.is_empty(),
        }
    }
}

impl HostSection {
    pub(super) fn settings(self) -> Result<HostSettings, String> {
        let devices = match self.devices {
            Written::Word(word) if word == "auto" => HostDevices::Auto,
            Written::Word(word) => {
                return Err(format!(
                    "host.devices: {word} is neither `auto` nor a list such as [eth0]"
                ));
            }
            Written::List(names) => HostDevices::Named(names.into_iter().collect()),
        };
        if let HostDevices::Named(names) = &devices {
            if names.len() > MAX_DEVICES {
                return Err(format!("host.devices: more than {MAX_DEVICES} devices"));
            }
            if names.contains("lo") {
                return Err(
                    "host.devices: lo is never guarded: what a host says to itself is not judged"
                        .to_owned(),
                );
            }
        }
        let pairs = || {
            self.labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
        };
        labels::for_endpoint("default", pairs())
            .map_err(|error| format!("host.labels: {error}"))?;
        let own = pairs().map(|(key, value)| Label::new(SOURCE_K8S, key, value));
        let host = Label::new(SOURCE_RESERVED, "host", "");
        Ok(HostSettings {
            devices,
            labels: own.chain([host]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<HostSettings, String> {
        let section: HostSection = serde_saphyr::from_str(text).expect("the shape is right");
        section.settings()
    }

    #[test]
    fn off_unless_devices_are_named() {
        let default = HostSection::default().settings().expect("valid");
        assert!(default.devices.is_none() && default.labels.is_reserved("host"));
        assert_eq!(
            settings("devices: auto").expect("valid").devices,
            HostDevices::Auto
        );
        let edge = settings("devices: [eth0]\nlabels: {role: edge}").expect("valid");
        assert!(!edge.devices.is_none());
        assert_eq!(
            edge.labels.values(Some(SOURCE_K8S), "role").next(),
            Some("edge")
        );
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (text, part) in [
            ("devices: all", "host.devices: all is neither"),
            ("devices: [lo]", "host.devices: lo is never"),
            ("labels: {'a b': c}", "host.labels: "),
        ] {
            let error = settings(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
    }
}
