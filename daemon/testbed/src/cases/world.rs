//! A written world as network namespaces: endpoints are guarded pods, externals are hosts outside.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context, Result, bail};
use flowd_abi::protocol::ICMPV6;
use flowd_policy::cases::{Case, Named, WrittenWorld};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Flowd, GATEWAY_V4, Namespace, Pod, PodSpec, Testbed, World};

/// The end of a case that is the node itself.
const HOST: &str = "reserved:host";

/// Everyone the cases talk of, on a testbed.
#[derive(Debug)]
pub(super) struct LiveWorld {
    pods: BTreeMap<String, (Pod, Vec<IpAddr>)>,
    outside: BTreeMap<String, (World, IpAddr)>,
    node: Namespace,
}

/// One end of a case.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// Where it lives.
    pub(super) namespace: Namespace,
    /// The address it is met at.
    pub(super) address: IpAddr,
    /// Whether policies may select it.
    pub(super) is_workload: bool,
}

impl LiveWorld {
    /// Builds it. `cases` may name addresses that have no other name.
    pub(super) fn build(
        (bed, flowd): (&Testbed, &Flowd),
        (written, raw): (&WrittenWorld, &Raw),
        cases: &[Case],
    ) -> Result<Self> {
        let mut world = Self {
            pods: BTreeMap::new(),
            outside: BTreeMap::new(),
            node: bed.node().clone(),
        };
        for (key, endpoint) in &written.endpoints {
            let (namespace, name) = key
                .split_once('/')
                .with_context(|| format!("endpoint {key} has no namespace"))?;
            let pod = bed.pod(PodSpec::new(namespace, name))?;
            let file = format!("{namespace}.{name}.yaml");
            let text = endpoint_file(&pod, endpoint, raw)?;
            // The daemon that will read it is not running yet.
            std::fs::write(flowd.endpoints().join(file), text)?;
            let addresses = endpoint.addresses.clone();
            world.pods.insert(key.clone(), (pod, addresses));
        }
        let unnamed = cases.iter().flat_map(|case| [&case.from, &case.to]);
        let unnamed = unnamed.filter_map(|end| Some((end, end.parse().ok()?)));
        let named = written.externals.iter().map(|(name, at)| (name, *at));
        for (name, address) in named.chain(unnamed) {
            if !world.outside.contains_key(name) {
                // Colons do not go into the name of a namespace.
                let host = bed.world(&name.replace(':', "-"))?;
                world.outside.insert(name.clone(), (host, address));
            }
        }
        world.move_in()?;
        Ok(world)
    }

    fn move_in(&self) -> Result<()> {
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
        readdress(&self.node, &pods.chain(outside).collect::<Vec<_>>())
    }

    /// Sender and receiver of a case, or why a testbed has none such.
    pub(super) fn ends(&self, case: &Case) -> Result<[End; 2], String> {
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
fn readdress(node: &Namespace, moves: &[Move<'_>]) -> Result<()> {
    let host = |address: &IpAddr| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
    for Move { device, old, .. } in moves {
        for address in old {
            run_inside(
                node,
                &format!("ip route del {} dev {device}", host(address)),
            )?;
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
                )?;
            }
            run_inside(
                node,
                &format!("ip route add {} dev {device}", host(address)),
            )?;
        }
        for address in old {
            if !new.contains(address) {
                run_inside(inside, &format!("ip addr del {} dev eth0", host(address)))?;
            }
        }
    }
    Ok(())
}

/// Runs a command in a namespace to its good end.
fn run_inside(namespace: &Namespace, line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a program")?;
    let output = namespace.command(program).args(words).output()?;
    if !output.status.success() {
        bail!(
            "`{line}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// The endpoint file of a pod, as its owner would write it.
fn endpoint_file(pod: &Pod, endpoint: &Named, raw: &Raw) -> Result<String> {
    let written = raw.endpoint(pod)?;
    let metadata = json!({
        "name": pod.name, "namespace": pod.kubernetes_namespace, "labels": written.labels,
    });
    let spec = json!({
        "addresses": endpoint.addresses,
        "attach": {"interface": pod.interface},
        "ports": written.ports,
    });
    let kind = json!({"apiVersion": "flowd.io/v1", "kind": "Endpoint", "metadata": metadata, "spec": spec});
    Ok(kind.to_string())
}

/// The parts of a world's text that are written again, as the daemon's files have them.
#[derive(Debug, Deserialize)]
pub(super) struct Raw {
    #[serde(default)]
    namespaces: Vec<RawNamespace>,
    #[serde(default)]
    endpoints: Vec<RawEndpoint>,
    #[serde(default)]
    services: Vec<RawService>,
}

#[derive(Debug, Deserialize)]
struct RawNamespace {
    name: String,
    #[serde(default)]
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
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_saphyr::from_str(text).context("the world")
    }

    fn endpoint(&self, pod: &Pod) -> Result<&RawEndpoint> {
        let found = self.endpoints.iter().find(|endpoint| {
            (&endpoint.namespace, &endpoint.name) == (&pod.kubernetes_namespace, &pod.name)
        });
        found.with_context(|| {
            format!(
                "{}/{} is not in the world",
                pod.kubernetes_namespace, pod.name
            )
        })
    }

    /// Namespaces and services, as a cluster would describe them.
    pub(super) fn objects(&self) -> String {
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
