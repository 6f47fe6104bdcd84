//! The host as an endpoint: on which devices policies for this node are enforced, and whether.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use flowd_policy::{NamedPorts, PolicySet, Subject};

use super::discover::{self, Failure, Found};
use crate::{
    config::{HostDevices, HostSettings},
    endpoints::{Addresses, Attach, EndpointSpec},
    flow::happening::BreakGlassFacts,
    host::{self, BreakGlass, Operator},
    kernel::{links::Link, namespace::Namespace, sweep::Sweep},
    resolve::Guarded,
    serve::status::{HostStatus, Mode},
};

/// Where the host's endpoint is written.
const CONFIGURATION: &str = "the configuration, host";
/// In the way of a policy that selects the node when no devices are named.
const NO_DEVICES: &str = "policies select this node, but are enforced nowhere: the configuration \
    names no devices (host: {devices: auto})";

/// What the loop knows of the host.
#[derive(Clone, Debug)]
pub struct HostSide {
    /// What it is told.
    pub settings: HostSettings,
    /// Whether its policies are out of force.
    pub glass: BreakGlass,
    /// The connections its operator is kept by.
    pub operator: Operator,
    /// The log has it that the glass is broken.
    said: bool,
}

impl HostSide {
    /// The host of this namespace; what is remembered of it is in the state directory.
    pub fn new(
        settings: HostSettings,
        state: &Path,
        namespace: Namespace,
        sweep: Arc<Mutex<Sweep>>,
    ) -> Self {
        Self {
            settings,
            glass: BreakGlass::in_state(state),
            operator: Operator::open(state, namespace, sweep),
            said: false,
        }
    }

    /// Adds the host's devices to the endpoints, while a policy selects the node.
    pub(super) fn find(
        &self,
        node_name: &str,
        policies: &PolicySet,
        links: &[Link],
        namespace: &Namespace,
        found: &mut Found,
    ) {
        let labels = &self.settings.labels;
        if policies.selecting(Subject::Node { labels }).is_empty() {
            return;
        }
        if self.settings.devices.is_none() {
            found.kept.push(NO_DEVICES.to_owned());
            return;
        }
        let names = match self.devices(namespace) {
            Ok(names) => names,
            Err(why) => {
                let failure = Failure {
                    spec: self.spec(node_name, "auto", Vec::new()),
                    why,
                };
                found.failures.push(failure);
                return;
            }
        };
        let addresses = discover::host_addresses(links);
        for name in names {
            let spec = self.spec(node_name, &name, addresses.clone());
            match free(&name, links, &found.guarded) {
                Ok(link) => found.guarded.push(Guarded {
                    device: link.name.as_str().into(),
                    ifindex: link.index,
                    addresses: outward(&addresses).into(),
                    namespace: Some(namespace.clone()),
                    spec,
                }),
                Err(why) => found.failures.push(Failure { spec, why }),
            }
        }
    }

    /// Tells the log when the glass is broken or whole again, by whichever way, and gives what the
    /// timeline is to be told of it.
    pub(super) fn say(&mut self) -> Option<BreakGlassFacts> {
        let broken = self.glass.broken();
        let on = broken.is_some();
        if on == self.said {
            return None;
        }
        if on {
            tracing::error!("BREAK-GLASS is on: policies for this node judge nothing");
        } else {
            tracing::warn!("break-glass is over: policies for this node are in force");
        }
        self.said = on;
        let since = broken.map_or(0, |broken| broken.since);
        Some(BreakGlassFacts { on, since })
    }

    /// What is to be said of the host.
    pub(super) fn status(&self) -> HostStatus {
        HostStatus {
            broken_since: self.glass.broken().map(|broken| broken.since),
            kept: self.operator.kept(),
        }
    }

    fn devices(&self, namespace: &Namespace) -> Result<BTreeSet<String>, String> {
        match &self.settings.devices {
            HostDevices::Named(names) => Ok(names.clone()),
            HostDevices::Auto => match host::with_default_route(namespace) {
                Ok(names) if names.is_empty() => Err(
                    "no device has a default route yet; name them (host.devices: [eth0])"
                        .to_owned(),
                ),
                Ok(names) => Ok(names),
                Err(error) => Err(format!("the routes cannot be read: {error}")),
            },
        }
    }

    fn spec(&self, node_name: &str, device: &str, addresses: Vec<IpAddr>) -> Arc<EndpointSpec> {
        Arc::new(EndpointSpec {
            namespace: String::new(),
            name: node_name.to_owned(),
            labels: self.settings.labels.clone(),
            addresses: Addresses::Declared(addresses),
            ports: NamedPorts::default(),
            attach: Attach::Interface(device.to_owned()),
            mode: match self.glass.broken() {
                Some(_) => Mode::Off,
                None => Mode::Enforce,
            },
            mode_source: crate::modes::ModeSource::Default,
            check_source: false,
            file: CONFIGURATION.to_owned(),
            line: 0,
        })
    }
}

/// The device of this name, if it is there, can be guarded and is nobody's.
fn free<'a>(name: &str, links: &'a [Link], guarded: &[Guarded]) -> Result<&'a Link, String> {
    let link = links
        .iter()
        .find(|link| link.name == name)
        .ok_or_else(|| format!("there is no device {name}; it is guarded as soon as it appears"))?;
    if link.loopback {
        return Err(format!(
            "{name} is a loopback device, which is never guarded"
        ));
    }
    match guarded.iter().find(|other| other.ifindex == link.index) {
        Some(other) => Err(format!(
            "device {name} belongs to {} already",
            other.spec.key()
        )),
        None => Ok(link),
    }
}

fn outward(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let outward = addresses.iter().filter(|address| !address.is_loopback());
    let unique: BTreeSet<IpAddr> = outward.copied().collect();
    unique.into_iter().collect()
}
