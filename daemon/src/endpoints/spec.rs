//! What an endpoint file says of one workload.

use std::{net::IpAddr, path::PathBuf};

use flowd_policy::{Labels, NamedPorts};

use crate::modes::ModeSource;
use crate::serve::status::Mode;

/// One workload to guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Security-relevant labels, the namespace's among them.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Addresses,
    /// Its ports that have names.
    pub ports: NamedPorts,
    /// Where its packets are met.
    pub attach: Attach,
    /// What is done with a denial.
    pub mode: Mode,
    /// Who said so.
    pub mode_source: ModeSource,
    /// Whether packets with a source address that is not its own are dropped.
    pub check_source: bool,
    /// Where it was written.
    pub file: String,
    /// The line its document starts at.
    pub line: u32,
}

/// Where an endpoint's addresses come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// They are these.
    Declared(Vec<IpAddr>),
    /// They are read from the devices of its network namespace.
    Discover,
}

/// Where an endpoint is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// At this host-side device.
    Interface(String),
    /// At the host-side peer of the first veth in this network namespace.
    Netns(PathBuf),
}

impl EndpointSpec {
    /// `namespace/name`, or the name alone of what is in no namespace.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() {
            return self.name.clone();
        }
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it is the host itself and no workload.
    pub fn is_host(&self) -> bool {
        self.labels.is_reserved("host")
    }
}
