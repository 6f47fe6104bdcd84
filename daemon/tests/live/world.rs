//! A written world as network namespaces: endpoints are guarded pods, externals are hosts outside.

use std::{collections::BTreeMap, net::IpAddr};

use flowd_abi::protocol::ICMPV6;
use flowd_policy::cases::{Case, Named, WrittenWorld};
use flowd_testbed::{GATEWAY_V4, Namespace, Pod, PodSpec, World};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Scene, put, run_inside};

/// The end of a case that is the node itself.
const HOST: &str = "reserved:host";

/// Everyone the cases talk of, on a testbed.
#[derive(Debug)]
pub(crate) struct LiveWorld {
    pods: BTreeMap<String, (Pod, Vec<IpAddr>)>,
    outside: BTreeMap<String, (World, IpAddr)>,
    node: Namespace,
}

/// One end of a case.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Where it lives.
    pub(crate) namespace: Namespace,
    /// The address it is met at.
    pub(crate) address: IpAddr,
    /// Whether policies may select it.
    pub(crate) is_workload: bool,
}

impl LiveWorld {
    /// Builds it. `cases` may name addresses that have no other name.
    pub(crate) fn build(
        scene: &Scene,
        (written, raw): (&WrittenWorld, &Raw),
        cases: &[Case],
    ) -> Self {
        let mut world = Self {
            pods: BTreeMap::new(),
            outside: BTreeMap::new(),
            node: scene.bed.node().clone(),
        };
        for (key, endpoint) in &written.endpoints {
            let (namespace, name) = key.split_once('/').expect("a namespace");
            let pod = scene.bed.pod(PodSpec::new(namespace, name)).expect("a pod");
            let file = format!("{namespace}.{name}.yaml");
            let text = endpoint_file(&pod, endpoint, raw);
            put(&scene.flowd.endpoints().join(file), &text);
            let addresses = endpoint.addresses.clone();
            world.pods.insert(key.clone(), (pod, addresses));
        }
        let unnamed = cases.iter().flat_map(|case| [&case.from, &case.to]);
        let unnamed = unnamed.filter_map(|end| Some((end, end.parse().ok()?)));
        let named = written.externals.iter().map(|(name, at)| (name, *at));
        for (name, address) in named.chain(unnamed) {
            // Colons do not go into the name of a namespace.
            let host = || scene.bed.world(&name.replace(':', "-")).expect("a host");
            let entry = world.outside.entry(name.clone());
            entry.or_insert_with(|| (host(), address));
        }
        world.move_in();
        world
    }

    fn move_in(&self) {
        let pods = self.pods.values().map(|(pod, new)| Move {
            inside: &pod.namespace,
            device: &pod.interface,
            old: pod.addresses(),
            new: new.clone(),
        });
        let outside = self.outside.values().map(|(host, new)| Move {
            inside: &host.namespace,
            device: &host.interface,
            old: host.addresses(),
            new: vec![*new],
        });
        readdress(&self.node, &pods.chain(outside).collect::<Vec<_>>());
    }

    /// Sender and receiver of a case, or why a testbed has none such.
    pub(crate) fn ends(&self, case: &Case) -> Result<[End; 2], String> {
        let outside_v6 = |name| {
            let found = self.outside.get(name);
            found.is_some_and(|(_, address)| address.is_ipv6())
        };
        let v6 = case.protocol == ICMPV6 || outside_v6(&case.from) || outside_v6(&case.to);
        Ok([self.end(&case.from, v6)?, self.end(&case.to, v6)?])
    }

    fn end(&self, name: &str, v6: bool) -> Result<End, String> {
        let (namespace, address, is_workload) = if let Some((pod, addresses)) = self.pods.get(name)
        {
            let fitting = addresses.iter().find(|address| address.is_ipv6() == v6);
            let address = fitting.ok_or_else(|| format!("{name} has no address of the family"))?;
            (&pod.namespace, *address, true)
        } else if let Some((host, address)) = self.outside.get(name) {
            (&host.namespace, *address, false)
        } else if name == HOST {
            (&self.node, GATEWAY_V4.into(), false)
        } else {
            return Err(format!("a testbed of one node has no {name}"));
        };
        Ok(End {
            namespace: namespace.clone(),
            address,
            is_workload,
        })
    }
}

/// A host of the testbed and the addresses it is to have in the place of the testbed's.
struct Move<'a> {
    inside: &'a Namespace,
    device: &'a str,
    old: [IpAddr; 2],
    new: Vec<IpAddr>,
}

/// Gives every host its addresses. An address of the testbed's may be that of another host in the
/// written world, so the old routes go before the new ones come.
fn readdress(node: &Namespace, moves: &[Move<'_>]) {
    let host = |address: &IpAddr| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
    for Move { device, old, .. } in moves {
        for address in old {
            run_inside(
                node,
                &format!("ip route del {} dev {device}", host(address)),
            );
        }
    }
    for Move {
        inside,
        device,
        old,
        new,
    } in moves
    {
        // The last IPv4 address would take all routes with it, so the old ones go last.
        for address in new {
            if !old.contains(address) {
                let option = if address.is_ipv6() { "nodad" } else { "" };
                run_inside(
                    inside,
                    &format!("ip addr add {} dev eth0 {option}", host(address)),
                );
            }
            run_inside(
                node,
                &format!("ip route add {} dev {device}", host(address)),
            );
        }
        for address in old {
            if !new.contains(address) {
                run_inside(inside, &format!("ip addr del {} dev eth0", host(address)));
            }
        }
    }
}

/// The endpoint file of a pod, as its owner would write it.
fn endpoint_file(pod: &Pod, endpoint: &Named, raw: &Raw) -> String {
    let written = raw.endpoint(pod);
    let metadata = json!({
        "name": pod.name, "namespace": pod.kubernetes_namespace, "labels": written.labels,
    });
    let spec = json!({
        "addresses": endpoint.addresses,
        "attach": {"interface": pod.interface},
        "ports": written.ports,
    });
    json!({"apiVersion": "flowd.io/v1", "kind": "Endpoint", "metadata": metadata, "spec": spec})
        .to_string()
}

/// The parts of a world's text that are written again, as the daemon's files have them.
#[derive(Debug, Deserialize)]
pub(crate) struct Raw {
    namespaces: Vec<RawNamespace>,
    endpoints: Vec<RawEndpoint>,
    #[serde(default)]
    services: Vec<RawService>,
}

#[derive(Debug, Deserialize)]
struct RawNamespace {
    name: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct RawEndpoint {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct RawService {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    selector: BTreeMap<String, String>,
    #[serde(default)]
    ips: Vec<IpAddr>,
}

impl Raw {
    /// Reads the same text as [`WrittenWorld::read`].
    pub(crate) fn read(text: &str) -> Self {
        serde_saphyr::from_str(text).expect("a world")
    }

    fn endpoint(&self, pod: &Pod) -> &RawEndpoint {
        let found = self.endpoints.iter().find(|endpoint| {
            (&endpoint.namespace, &endpoint.name) == (&pod.kubernetes_namespace, &pod.name)
        });
        found.expect("both readers find the same endpoints")
    }

    /// Namespaces and services, as a cluster would describe them.
    pub(crate) fn objects(&self) -> String {
        let namespaces = self.namespaces.iter().map(|RawNamespace { name, labels }| {
            let metadata = json!({"name": name, "labels": labels});
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
            format!("---\n{namespace}\n")
        });
        let services = self.services.iter().map(|service| {
            let RawService {
                name,
                namespace,
                labels,
                selector,
                ips,
            } = service;
            let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": selector},
            });
            let endpoints = json!({
                "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata,
                "subsets": [{"addresses": addresses}],
            });
            format!("---\n{service}\n---\n{endpoints}\n")
        });
        namespaces.chain(services).collect()
    }
}
