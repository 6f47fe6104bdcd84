//! Services of Kubernetes and the addresses behind those that select no workloads.

use ipnet::IpNet;

use super::{
    field::{Field, Object},
    metadata, peers,
};
use crate::{
    labels::{NAMESPACE_KEY, SOURCE_K8S},
    object::{Service, ServiceAddresses},
    selector::{Key, Requirement, Selector},
};

/// The label by which a slice names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Fields of a service; all but the selector say nothing about who is behind it.
const FIELDS: [&str; 20] = [
    "selector",
    "ports",
    "type",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
];

pub(super) fn read(object: &Object<'_>) -> Option<Service> {
    let (name, namespace, metadata) = metadata::place(object)?;
    let spec = object
        .require("spec", "write a spec")?
        .object(&FIELDS, &[])?;
    let pods = match spec.get("selector") {
        None => None,
        Some(field) => {
            let pairs = field.entries()?;
            let of_pods: Option<Selector> = pairs
                .iter()
                .map(|(key, value)| {
                    Some(Requirement::equals(Key::of(SOURCE_K8S, key), value.text()?))
                })
                .collect();
            let here = Requirement::equals(Key::of(SOURCE_K8S, NAMESPACE_KEY), &namespace);
            let selector = of_pods?.and(here);
            // An empty selector selects nothing: the addresses are listed elsewhere.
            (!pairs.is_empty()).then_some(selector)
        }
    };
    Some(Service {
        name,
        labels: metadata::labels(&metadata)?,
        namespace,
        pods,
    })
}

pub(super) fn endpoints(object: &Object<'_>) -> Option<ServiceAddresses> {
    let (service, namespace, _) = metadata::place(object)?;
    let mut addresses = Vec::new();
    for subset in object.items("subsets").unwrap_or_default() {
        let subset = subset.object(&["addresses", "notReadyAddresses", "ports"], &[])?;
        for list in ["addresses", "notReadyAddresses"] {
            for address in subset.items(list).unwrap_or_default() {
                let known = ["ip", "hostname", "nodeName", "targetRef"];
                let address = address.object(&known, &[])?;
                addresses.push(one(address.require("ip", "write the address")?)?);
            }
        }
    }
    Some(ServiceAddresses {
        service,
        namespace,
        addresses,
    })
}

pub(super) fn slice(object: &Object<'_>) -> Option<ServiceAddresses> {
    let (_, namespace, metadata) = metadata::place(object)?;
    let labels = metadata::labels(&metadata)?;
    let Some(service) = labels.values(Some(SOURCE_K8S), SERVICE_NAME).next() else {
        let field = object.get("metadata").unwrap_or_else(|| object.field());
        field.error(
            "does not say whose addresses these are",
            format!("write labels: {{{SERVICE_NAME}: ...}}"),
        );
        return None;
    };
    let mut addresses = Vec::new();
    for endpoint in object.items("endpoints").unwrap_or_default() {
        let known = [
            "addresses",
            "conditions",
            "hints",
            "hostname",
            "nodeName",
            "targetRef",
            "zone",
        ];
        let endpoint = endpoint.object(&known, &[])?;
        for address in endpoint.items("addresses").unwrap_or_default() {
            addresses.push(one(&address)?);
        }
    }
    Some(ServiceAddresses {
        service: service.to_owned(),
        namespace,
        addresses,
    })
}

fn one(field: &Field<'_>) -> Option<IpNet> {
    let prefix = peers::prefix(field)?;
    if prefix.prefix_len() == prefix.max_prefix_len() {
        return Some(prefix);
    }
    field.error(
        "is not one address",
        "write an address without a prefix length",
    );
    None
}
