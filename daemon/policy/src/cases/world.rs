//! A world that is written down: namespaces, endpoints, addresses outside.

use std::{collections::BTreeMap, net::IpAddr};

use flowd_abi::protocol::{ICMPV6, SCTP, TCP, UDP};

use ipnet::IpNet;

use super::Case;
use crate::{
    labels::{self, Label, Labels, NAMESPACE_KEY, SOURCE_K8S, SOURCE_RESERVED},
    named_ports::NamedPorts,
    object::{Service, ServiceAddresses},
    parse::{
        Contents,
        field::{Field, Object},
        report::Report,
    },
    selector::{Key, Requirement, Selector},
    syntax,
    yaml::{Node, Value},
};

/// Everyone there is, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenWorld {
    /// Endpoints by `namespace/name`.
    pub endpoints: BTreeMap<String, Named>,
    /// Nodes by name; cases call them `node:<name>`.
    pub nodes: BTreeMap<String, Named>,
    /// Addresses outside by name.
    pub externals: BTreeMap<String, IpAddr>,
    /// Services policies may name, for [`PolicySet::assemble`](crate::PolicySet::assemble).
    pub services: Contents,
    outside: Option<Labels>,
    reserved: BTreeMap<String, Labels>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its complete labels.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its named ports.
    pub ports: NamedPorts,
}

/// One end of a case.
pub(super) struct End<'a> {
    pub(super) labels: &'a Labels,
    pub(super) address: Option<IpAddr>,
    pub(super) named_ports: Option<&'a NamedPorts>,
    pub(super) is: Is,
}

/// Whether policies are asked about an end, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Workload,
    Node,
    /// An address outside, or a reserved identity.
    Other,
}

impl WrittenWorld {
    /// The end a case names; `None` when there is none of this name.
    pub(super) fn end(&self, name: &str, case: &Case) -> Option<End<'_>> {
        if let Some(endpoint) = self.endpoints.get(name) {
            let other = if name == case.from {
                &case.to
            } else {
                &case.from
            };
            return Some(workload(endpoint, self.address_for(endpoint, other, case)));
        }
        if let Some(node) = name.strip_prefix("node:") {
            let node = self.nodes.get(node)?;
            return Some(End {
                is: Is::Node,
                ..workload(node, node.addresses.first().copied())
            });
        }
        if let Some(labels) = name
            .strip_prefix("reserved:")
            .and_then(|name| self.reserved.get(name))
        {
            return Some(End {
                labels,
                address: None,
                named_ports: None,
                is: Is::Other,
            });
        }
        let address = self.outer_address(name)?;
        let owner = self
            .endpoints
            .values()
            .find(|endpoint| endpoint.addresses.contains(&address));
        match owner {
            Some(endpoint) => Some(workload(endpoint, Some(address))),
            None => Some(End {
                labels: self.outside.as_ref()?,
                address: Some(address),
                named_ports: None,
                is: Is::Other,
            }),
        }
    }

    fn outer_address(&self, name: &str) -> Option<IpAddr> {
        self.externals
            .get(name)
            .copied()
            .or_else(|| name.parse().ok())
    }

    /// The address an endpoint is met at: one of the other end's family, else its first.
    fn address_for(&self, endpoint: &Named, other: &str, case: &Case) -> Option<IpAddr> {
        let wants_v6 = case.protocol == ICMPV6
            || self
                .outer_address(other)
                .is_some_and(|address| address.is_ipv6());
        let fitting = endpoint
            .addresses
            .iter()
            .find(|address| address.is_ipv6() == wants_v6);
        fitting.or_else(|| endpoint.addresses.first()).copied()
    }
}

const fn workload(endpoint: &Named, address: Option<IpAddr>) -> End<'_> {
    End {
        labels: &endpoint.labels,
        address,
        named_ports: Some(&endpoint.ports),
        is: Is::Workload,
    }
}

pub(super) fn read(report: &Report, document: &Node) -> Option<WrittenWorld> {
    let root = Field::root(report, document);
    let object = root.object(
        &["namespaces", "endpoints", "nodes", "services", "externals"],
        &[],
    )?;
    let mut namespaces = BTreeMap::new();
    for item in object.items("namespaces").unwrap_or_default() {
        let namespace = item.object(&["name", "labels"], &[])?;
        let name = namespace.require("name", "name the namespace")?.text()?;
        namespaces.insert(name, texts(&namespace, "labels")?);
    }
    let mut world = WrittenWorld {
        outside: Some(Labels::reserved(&["world"])),
        ..WrittenWorld::default()
    };
    for (_, names) in crate::world::RESERVED_IDENTITIES {
        let name = names.first()?;
        world
            .reserved
            .insert((*name).to_owned(), Labels::reserved(names));
    }
    for item in object.items("endpoints").unwrap_or_default() {
        let (name, endpoint) = endpoint(&item, &namespaces)?;
        if world.endpoints.insert(name.clone(), endpoint).is_some() {
            item.error(
                format!("is a second endpoint {name}"),
                "give it another name",
            );
        }
    }
    for item in object.items("nodes").unwrap_or_default() {
        let (name, node) = node(&item)?;
        world.nodes.insert(name, node);
    }
    for item in object.items("externals").unwrap_or_default() {
        let external = item.object(&["name", "ip"], &[])?;
        let name = external.require("name", "name the address")?.text()?;
        let address = address(external.require("ip", "write its address")?)?;
        world.externals.insert(name.to_owned(), address);
    }
    for item in object.items("services").unwrap_or_default() {
        service(&item, &mut world)?;
    }
    Some(world)
}

type Namespaces<'a> = BTreeMap<&'a str, BTreeMap<String, String>>;

fn endpoint(item: &Field<'_>, namespaces: &Namespaces<'_>) -> Option<(String, Named)> {
    let object = item.object(&["name", "namespace", "labels", "ips", "ports"], &[])?;
    let name = object.require("name", "name the endpoint")?.text()?;
    let namespace = object
        .get("namespace")
        .map_or(Some("default"), Field::text)?;
    let own = texts(&object, "labels")?;
    let none = BTreeMap::new();
    let labels = labels::for_endpoint_in(
        namespace,
        namespaces.get(namespace).unwrap_or(&none),
        own.iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let labels = match labels {
        Ok(labels) => labels,
        Err(error) => {
            item.error(error.to_string(), "write labels as Kubernetes does");
            return None;
        }
    };
    let addresses: Vec<Option<IpAddr>> = object
        .items("ips")
        .unwrap_or_default()
        .iter()
        .map(address)
        .collect();
    let mut ports = NamedPorts::default();
    for item in object.items("ports").unwrap_or_default() {
        port(&item, &mut ports)?;
    }
    let endpoint = Named {
        labels,
        addresses: addresses.into_iter().collect::<Option<_>>()?,
        ports,
    };
    Some((format!("{namespace}/{name}"), endpoint))
}

/// A node, as it is known on itself.
fn node(item: &Field<'_>) -> Option<(String, Named)> {
    let object = item.object(&["name", "labels", "ips"], &[])?;
    let name = object.require("name", "name the node")?.text()?;
    let own = texts(&object, "labels")?;
    let own = own
        .iter()
        .map(|(key, value)| Label::new(SOURCE_K8S, key, value));
    let host = Label::new(SOURCE_RESERVED, "host", "");
    let addresses: Vec<Option<IpAddr>> = object
        .items("ips")
        .unwrap_or_default()
        .iter()
        .map(address)
        .collect();
    let node = Named {
        labels: own.chain([host]).collect(),
        addresses: addresses.into_iter().collect::<Option<_>>()?,
        ports: NamedPorts::default(),
    };
    Some((name.to_owned(), node))
}

/// A service with the labels its pods have, or with the addresses behind it.
fn service(item: &Field<'_>, world: &mut WrittenWorld) -> Option<()> {
    let object = item.object(&["name", "namespace", "labels", "selector", "ips"], &[])?;
    let name = object.require("name", "name the service")?.text()?;
    let namespace = object
        .get("namespace")
        .map_or(Some("default"), Field::text)?;
    let equals = |name: &str, value: &str| Requirement::equals(Key::of(SOURCE_K8S, name), value);
    let selector = texts(&object, "selector")?;
    let pods: Selector = selector
        .iter()
        .map(|(name, value)| equals(name, value))
        .collect();
    let labels = texts(&object, "labels")?;
    world.services.services.push(Service {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        labels: labels
            .iter()
            .map(|(key, value)| Label::new(SOURCE_K8S, key, value))
            .collect(),
        pods: (!selector.is_empty()).then(|| pods.and(equals(NAMESPACE_KEY, namespace))),
    });
    let addresses: Vec<Option<IpAddr>> = object
        .items("ips")
        .unwrap_or_default()
        .iter()
        .map(address)
        .collect();
    let addresses: Option<Vec<IpAddr>> = addresses.into_iter().collect();
    world.services.addresses.push(ServiceAddresses {
        service: name.to_owned(),
        namespace: namespace.to_owned(),
        addresses: addresses?.into_iter().map(IpNet::from).collect(),
    });
    Some(())
}

fn port(item: &Field<'_>, ports: &mut NamedPorts) -> Option<()> {
    let object = item.object(&["name", "port", "protocol"], &[])?;
    let name = object.require("name", "name the port")?.text()?;
    let field = object.require("port", "write its number")?;
    let protocol = match object.get("protocol").map_or(Some("TCP"), Field::text)? {
        "TCP" => TCP,
        "UDP" => UDP,
        "SCTP" => SCTP,
        other => {
            item.error(
                format!("{:?} is not a protocol", syntax::shorten(other)),
                "use TCP, UDP or SCTP",
            );
            return None;
        }
    };
    if let Value::Integer(number) = field.value()
        && let Ok(number) = u16::try_from(*number)
    {
        ports.insert(protocol, name, number);
        return Some(());
    }
    field.error("is not a port", "write a number from 1 to 65535");
    None
}

fn address(field: &Field<'_>) -> Option<IpAddr> {
    match field.text()?.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            field.error("is not an address", "write an IP address");
            None
        }
    }
}

fn texts(object: &Object<'_>, name: &str) -> Option<BTreeMap<String, String>> {
    let Some(field) = object.get(name) else {
        return Some(BTreeMap::new());
    };
    field
        .entries()?
        .into_iter()
        .map(|(key, value)| Some((key.to_owned(), value.text()?.to_owned())))
        .collect()
}
