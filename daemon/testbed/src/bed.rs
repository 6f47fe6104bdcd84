//! The testbed: a router namespace and the pods and outside hosts connected to it.

use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::addresses::{self, GATEWAY_V4, GATEWAY_V6, Pair};
use crate::pod::{Labels, Link, Pod, PodSpec, World};
use crate::{Namespace, ip, sweep};

/// Tells the testbeds of one process apart.
static TESTBEDS: AtomicU32 = AtomicU32::new(0);
static OWN_PID_SWEPT: Once = Once::new();

/// A private network: one node that routes, any number of pods, and a world outside the workload range.
///
/// Pods and worlds outlive the testbed value if kept, but are cut off when it is dropped.
#[derive(Debug)]
pub struct Testbed {
    name: String,
    node: Namespace,
    pods: AtomicU16,
    worlds: AtomicU16,
    links: AtomicU16,
}

impl Testbed {
    /// Removes leftovers of dead testbeds, then creates the node.
    pub fn new() -> Result<Self> {
        // Nothing with our own process id in its name can be alive before our first testbed.
        OWN_PID_SWEPT.call_once(sweep::own_pid);
        Self::sweep_stale();
        let name = format!(
            "fd-{}-{}",
            process::id(),
            TESTBEDS.fetch_add(1, Ordering::Relaxed)
        );
        let node = Namespace::create(&format!("{name}-node")).with_context(
            || "cannot create a network namespace: the testbed needs root and iproute2",
        )?;
        // Spoofed sources must reach the hooks under test, and ICMP errors must not be rationed away.
        node.sysctl(&[
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/icmp_ratelimit", "0"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv6/icmp/ratelimit", "0"),
        ])?;
        ip::batch(Some(&node), &["link set lo up".to_owned()])?;
        Ok(Self {
            name,
            node,
            pods: AtomicU16::new(0),
            worlds: AtomicU16::new(0),
            links: AtomicU16::new(0),
        })
    }

    /// The namespace of the router, which holds the host-side ends of all links.
    pub fn node(&self) -> &Namespace {
        &self.node
    }

    /// `fd-<pid>-<n>`, the beginning of the name of everything that belongs to this testbed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects a new pod with the next free addresses of the workload range.
    pub fn pod(&self, spec: PodSpec) -> Result<Pod> {
        let addresses = addresses::pod(self.pods.fetch_add(1, Ordering::Relaxed))?;
        let link = self.connect(&format!("{}.{}", spec.namespace, spec.name), addresses)?;
        Ok(Pod {
            name: spec.name,
            kubernetes_namespace: spec.namespace,
            labels: spec.labels.into_iter().collect::<Labels>(),
            interface: link.interface,
            mac: link.mac,
            gateway_mac: link.gateway_mac,
            namespace: link.namespace,
            ipv4: addresses.v4,
            ipv6: addresses.v6,
        })
    }

    /// Connects a host outside the workload range.
    pub fn world(&self, name: &str) -> Result<World> {
        let addresses = addresses::world(self.worlds.fetch_add(1, Ordering::Relaxed))?;
        let link = self.connect(&format!("world.{name}"), addresses)?;
        Ok(World {
            name: name.to_owned(),
            interface: link.interface,
            namespace: link.namespace,
            ipv4: addresses.v4,
            ipv6: addresses.v6,
        })
    }

    /// Removes namespaces, bpffs mounts and processes of testbeds whose process is dead.
    pub fn sweep_stale() {
        sweep::stale();
    }

    fn connect(&self, role: &str, addresses: Pair) -> Result<Link> {
        let number = self.links.fetch_add(1, Ordering::Relaxed) + 1;
        let namespace = Namespace::create(&format!("{}-{role}", self.name))?;
        namespace.sysctl(&[
            ("net/ipv6/conf/default/accept_ra", "0"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
        ])?;
        let link = Link::new(number, namespace);
        ip::batch(Some(&self.node), &node_side(&link, addresses))
            .and_then(|()| ip::batch(Some(&link.namespace), &host_side(addresses)))
            .with_context(|| format!("cannot connect {role} to {}", self.node.name()))?;
        Ok(link)
    }
}

/// Link-local addresses are given by hand with `nodad`: made by the kernel they would be tentative for a
/// while, and neighbour discovery from the node would stay silent.
fn node_side(link: &Link, addresses: Pair) -> Vec<String> {
    let (device, inside) = (&link.interface, link.namespace.name());
    let (mac, gateway_mac) = (link.mac_text(), link.gateway_mac_text());
    let Pair { v4, v6 } = addresses;
    vec![
        format!(
            "link add {device} address {gateway_mac} type veth peer name eth0 address {mac} netns {inside}"
        ),
        format!("link set {device} addrgenmode none"),
        format!("link set {device} up"),
        format!("addr add {GATEWAY_V4}/32 dev {device}"),
        format!("addr add fe80::1/64 dev {device} nodad"),
        format!("addr add {GATEWAY_V6}/128 dev {device} nodad"),
        format!("route add {v4}/32 dev {device}"),
        format!("route add {v6}/128 dev {device}"),
    ]
}

fn host_side(addresses: Pair) -> Vec<String> {
    let Pair { v4, v6 } = addresses;
    vec![
        "link set lo up".to_owned(),
        "link set eth0 addrgenmode none".to_owned(),
        "link set eth0 up".to_owned(),
        format!("addr add {v4}/32 dev eth0"),
        "addr add fe80::2/64 dev eth0 nodad".to_owned(),
        format!("addr add {v6}/128 dev eth0 nodad"),
        format!("route add {GATEWAY_V4} dev eth0"),
        format!("route add default via {GATEWAY_V4} dev eth0"),
        format!("route add {GATEWAY_V6} dev eth0"),
        format!("route add default via {GATEWAY_V6} dev eth0"),
    ]
}
