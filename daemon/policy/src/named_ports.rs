//! Ports by name: what the owner of a workload calls its container ports.

use std::collections::{BTreeMap, BTreeSet};

/// The named ports of a workload, or of all workloads of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamedPorts(BTreeMap<(u8, String), BTreeSet<u16>>);

impl NamedPorts {
    /// Adds a port; the same name may stand for several, when workloads of one identity differ.
    pub fn insert(&mut self, protocol: u8, name: &str, port: u16) {
        let key = (protocol, name.to_ascii_lowercase());
        self.0.entry(key).or_default().insert(port);
    }

    /// Adds the ports of another workload of the same identity.
    pub fn merge(&mut self, other: &Self) {
        for ((protocol, name), ports) in &other.0 {
            let key = (*protocol, name.clone());
            self.0.entry(key).or_default().extend(ports);
        }
    }

    /// The ports of a name.
    pub fn get(&self, protocol: u8, name: &str) -> impl Iterator<Item = u16> {
        let ports = self.0.get(&(protocol, name.to_owned()));
        ports.into_iter().flatten().copied()
    }

    /// Whether no port has a name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(u8, &'a str, u16)> for NamedPorts {
    fn from_iter<I: IntoIterator<Item = (u8, &'a str, u16)>>(ports: I) -> Self {
        let mut named = Self::default();
        for (protocol, name, port) in ports {
            named.insert(protocol, name, port);
        }
        named
    }
}
