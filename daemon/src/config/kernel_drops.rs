//! The section `kernel_drops`: whether packets of workloads that the kernel drops by itself are told.

use serde::Deserialize;

/// Flows that lose packets, remembered when nobody says otherwise.
const FLOWS: u32 = 16_384;

/// The section as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KernelDropsSection {
    watch: Option<bool>,
    flows: Option<u32>,
}

/// What is told of the kernel's own drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelDrops {
    /// Whether they are watched.
    pub watch: bool,
    /// Flows that lose packets, remembered to be told as one.
    pub flows: u32,
}

impl KernelDropsSection {
    pub(super) fn settings(&self) -> KernelDrops {
        KernelDrops {
            watch: self.watch.unwrap_or(true),
            flows: self.flows.unwrap_or(FLOWS),
        }
    }
}

impl KernelDrops {
    pub(super) fn problem(&self) -> Option<String> {
        let good = (64..=1_048_576).contains(&self.flows);
        (!good).then(|| {
            format!(
                "kernel_drops.flows: {} is not between 64 and 1048576; to watch none, set \
                 kernel_drops.watch to false",
                self.flows
            )
        })
    }
}
