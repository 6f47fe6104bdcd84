//! Where each endpoint is: its device, and its addresses when they are to be discovered.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    endpoints::{Addresses, Attach, EndpointSpec},
    kernel::{
        links::{self, Link},
        namespace::Namespace,
    },
    resolve::Guarded,
};

/// An endpoint that cannot be guarded, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What its file says.
    pub spec: Arc<EndpointSpec>,
    /// What is in the way.
    pub why: String,
}

/// The devices of the guarded namespace, found without a walk over all of them.
struct Devices<'a> {
    names: HashMap<&'a str, &'a Link>,
    indices: HashMap<u32, &'a Link>,
}

impl<'a> Devices<'a> {
    fn of(host: &'a [Link]) -> Self {
        Self {
            names: host.iter().map(|link| (link.name.as_str(), link)).collect(),
            indices: host.iter().map(|link| (link.index, link)).collect(),
        }
    }

    fn is_there(&self, guarded: &Guarded) -> bool {
        let link = self.indices.get(&guarded.ifindex);
        link.is_some_and(|link| *link.name == *guarded.device)
    }
}

/// What came of looking for every endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Endpoints to guard.
    pub guarded: Vec<Guarded>,
    /// Endpoints that cannot be guarded.
    pub failures: Vec<Failure>,
    /// What is in the way of those that are guarded as they were before.
    pub kept: Vec<String>,
}

/// Finds every endpoint among the devices of the guarded namespace. `before` says how an endpoint
/// was guarded until now: while its device is there it stays so, whatever is in the way of finding
/// it. A workload that drops its address or takes another one's sets nobody free.
pub fn find(
    specs: &[Arc<EndpointSpec>],
    host: &[Link],
    before: impl Fn(&EndpointSpec) -> Option<Guarded>,
) -> Found {
    let host = Devices::of(host);
    let mut found = Found::default();
    let mut devices: BTreeMap<u32, String> = BTreeMap::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut owners: BTreeMap<IpAddr, String> = BTreeMap::new();
    for spec in specs {
        let place = format!("{}:{}", spec.file, spec.line);
        if let Some(other) = names.get(&spec.key()) {
            let why = format!("{} is defined at {other} already", spec.key());
            found.failures.push(failure(spec, why));
            continue;
        }
        names.insert(spec.key(), place);
        let checked =
            locate(spec, &host).and_then(|guarded| unless_taken(guarded, &devices, &owners));
        let guarded = match checked {
            Ok(guarded) => guarded,
            Err(why) => {
                let kept = before(spec).filter(|last| {
                    host.is_there(last)
                        && last.spec.attach == spec.attach
                        && !devices.contains_key(&last.ifindex)
                });
                let Some(last) = kept else {
                    found.failures.push(failure(spec, why));
                    continue;
                };
                let kept = format!("endpoint {} is guarded as it was before: {why}", spec.key());
                found.kept.push(kept);
                last
            }
        };
        devices.insert(guarded.ifindex, spec.key());
        for address in guarded.addresses.iter() {
            owners.insert(*address, spec.key());
        }
        found.guarded.push(guarded);
    }
    found
}

fn unless_taken(
    guarded: Guarded,
    devices: &BTreeMap<u32, String>,
    owners: &BTreeMap<IpAddr, String>,
) -> Result<Guarded, String> {
    if let Some(other) = devices.get(&guarded.ifindex) {
        return Err(format!(
            "device {} belongs to {other} already",
            guarded.device
        ));
    }
    let taken = guarded.addresses.iter().find_map(|address| {
        let other = owners.get(address)?;
        Some(format!("address {address} belongs to {other} already"))
    });
    taken.map_or(Ok(guarded), Err)
}

/// Addresses of the host itself.
pub(super) fn host_addresses(host: &[Link]) -> Vec<IpAddr> {
    host.iter()
        .flat_map(|link| link.addresses.iter().copied())
        .collect()
}

fn failure(spec: &Arc<EndpointSpec>, why: String) -> Failure {
    Failure {
        spec: Arc::clone(spec),
        why,
    }
}

fn locate(spec: &Arc<EndpointSpec>, host: &Devices<'_>) -> Result<Guarded, String> {
    match &spec.attach {
        Attach::Interface(name) => {
            let link = host.names.get(name.as_str()).ok_or_else(|| {
                format!("there is no device {name}; it is attached as soon as it appears")
            })?;
            let addresses = match &spec.addresses {
                Addresses::Declared(addresses) => addresses.clone(),
                Addresses::Discover => return Err("`discover` needs `attach.netns`".to_owned()),
            };
            Ok(Guarded {
                spec: Arc::clone(spec),
                device: link.name.as_str().into(),
                ifindex: link.index,
                addresses: addresses.into(),
                namespace: None,
            })
        }
        Attach::Netns(path) => in_namespace(spec, host, Namespace::at(path)),
    }
}

fn in_namespace(
    spec: &Arc<EndpointSpec>,
    host: &Devices<'_>,
    namespace: Namespace,
) -> Result<Guarded, String> {
    let inside = links::list(&namespace).map_err(|error: io::Error| error.to_string())?;
    let (own, peer) = inside
        .iter()
        .filter(|link| !link.loopback && link.peer != 0)
        .find_map(|own| {
            let peer = host.indices.get(&own.peer)?;
            (peer.peer == own.index).then_some((own, *peer))
        })
        .ok_or("no veth of that namespace has its other end among the guarded devices")?;
    let addresses = match &spec.addresses {
        Addresses::Declared(addresses) => addresses.clone(),
        Addresses::Discover => own.addresses.iter().copied().filter(is_global).collect(),
    };
    if addresses.is_empty() {
        return Err(format!("device {} has no address yet", own.name));
    }
    Ok(Guarded {
        spec: Arc::clone(spec),
        device: peer.name.as_str().into(),
        ifindex: peer.index,
        addresses: addresses.into(),
        namespace: Some(namespace),
    })
}

/// Link-local addresses are every workload's; see the engine's source check.
fn is_global(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_loopback(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::parse;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.to_owned(),
            peer: 0,
            loopback: false,
            addresses: Vec::new(),
        }
    }

    fn specs(list: &[(&str, &str, &str)]) -> Vec<Arc<EndpointSpec>> {
        let text: Vec<String> = list
            .iter()
            .map(|(name, device, address)| {
                format!(
                    "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: {name}}}\nspec:\n  \
                     addresses: [\"{address}\"]\n  attach: {{interface: {device}}}\n"
                )
            })
            .collect();
        let specs = parse("e.yaml", &text.join("---\n")).expect("valid");
        specs.into_iter().map(Arc::new).collect()
    }

    #[test]
    fn finds_devices_and_names_what_is_in_the_way() {
        let host = [link(3, "v1"), link(4, "v2")];
        let specs = specs(&[
            ("a", "v1", "10.0.0.1"),
            ("b", "v9", "10.0.0.2"),
            ("c", "v1", "10.0.0.3"),
            ("d", "v2", "10.0.0.1"),
            ("a", "v2", "10.0.0.4"),
        ]);
        let found = find(&specs, &host, |_| None);
        assert_eq!(found.guarded.len(), 1);
        assert_eq!(found.guarded[0].ifindex, 3);
        let why: Vec<&str> = found
            .failures
            .iter()
            .map(|failure| failure.why.as_str())
            .collect();
        assert!(why[0].contains("no device v9"), "{why:?}");
        assert!(why[1].contains("device v1 belongs to default/a"), "{why:?}");
        assert!(
            why[2].contains("address 10.0.0.1 belongs to default/a"),
            "{why:?}"
        );
        assert!(why[3].contains("is defined at e.yaml:"), "{why:?}");
    }

    #[test]
    fn a_workload_whose_device_is_there_stays_guarded() {
        let host = [link(3, "v1"), link(4, "v2")];
        let good = specs(&[("a", "v1", "10.0.0.1"), ("b", "v2", "10.0.0.2")]);
        let last = find(&good, &host, |_| None).guarded;
        let before = |spec: &EndpointSpec| {
            last.iter()
                .find(|last| last.spec.key() == spec.key())
                .cloned()
        };
        let taken = specs(&[("a", "v1", "10.0.0.2"), ("b", "v2", "10.0.0.2")]);
        let found = find(&taken, &host, before);
        assert_eq!(found.failures, []);
        assert_eq!(found.guarded[1], last[1]);
        assert!(found.kept[0].contains("default/b is guarded as it was"));

        let moved = specs(&[("b", "v9", "10.0.0.2")]);
        assert_eq!(find(&moved, &host, before).failures.len(), 1);
        assert_eq!(find(&good, &host[..1], before).failures.len(), 1);
    }
}
