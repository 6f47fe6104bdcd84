//! What is connected to a testbed: pods (guarded workloads) and hosts of the world outside.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Namespace;

/// Labels of a pod, in the order an endpoint file lists them.
pub(crate) type Labels = BTreeMap<String, String>;

/// What a pod is called; its addresses are given by the testbed.
#[derive(Clone, Debug)]
pub struct PodSpec {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: Vec<(String, String)>,
}

impl PodSpec {
    /// A pod `name` of the Kubernetes namespace `namespace`, without labels.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            labels: Vec::new(),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A pod whose only label is `app: <name>`.
    pub fn app(namespace: &str, name: &str) -> Self {
        Self::new(namespace, name).label("app", name)
    }
}

/// A workload: a namespace with labels and one address of each family.
#[derive(Debug)]
pub struct Pod {
    /// The pod's name.
    pub name: String,
    /// The Kubernetes namespace it belongs to.
    pub kubernetes_namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The network namespace it runs in.
    pub namespace: Namespace,
    /// The host-side end of its link, in the node namespace.
    pub interface: String,
    /// The hardware address of its own end, `eth0`.
    pub mac: [u8; 6],
    /// The hardware address of the host-side end: where its raw frames go.
    pub gateway_mac: [u8; 6],
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

impl Pod {
    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.ipv4.into(), self.ipv6.into()]
    }
}

/// A host outside the workload range.
#[derive(Debug)]
pub struct World {
    /// Its name.
    pub name: String,
    /// The network namespace it runs in.
    pub namespace: Namespace,
    /// The host-side end of its link, in the node namespace.
    pub interface: String,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

impl World {
    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.ipv4.into(), self.ipv6.into()]
    }
}

/// One veth pair between the node and a host.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) namespace: Namespace,
    pub(crate) interface: String,
    pub(crate) mac: [u8; 6],
    pub(crate) gateway_mac: [u8; 6],
}

impl Link {
    pub(crate) fn new(number: u16, namespace: Namespace) -> Self {
        let [high, low] = number.to_be_bytes();
        Self {
            namespace,
            interface: format!("fd-h{number}"),
            mac: [0x02, 0xfd, 0, 2, high, low],
            gateway_mac: [0x02, 0xfd, 0, 1, high, low],
        }
    }

    pub(crate) fn mac_text(&self) -> String {
        text(self.mac)
    }

    pub(crate) fn gateway_mac_text(&self) -> String {
        text(self.gateway_mac)
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
