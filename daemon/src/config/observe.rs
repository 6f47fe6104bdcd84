//! The section `observe`: how this node presents itself to Hubble's clients and relays.

use std::net::SocketAddr;

use serde::Deserialize;

/// The section as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveSection {
    /// Sent as the header `hubble-server-version`; without it the header is absent.
    pub hubble_server_version: Option<String>,
    /// Where relays find this node, `host:port`; without it, the address of the TCP door.
    pub address: Option<String>,
    /// The name relays check this node's certificate by.
    pub server_name: Option<String>,
}

impl ObserveSection {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let version = self.hubble_server_version.as_deref().unwrap_or("0.0.0");
        let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
        let mut parts = version.splitn(3, '.');
        let visible = version.bytes().all(|byte| byte.is_ascii_graphic());
        if !(number(parts.next()) && number(parts.next()) && parts.next().is_some() && visible) {
            problems.push(format!(
                "observe.hubble_server_version: {version:?} is no version like 1.17.0"
            ));
        }
        let address = self.address.as_deref().unwrap_or("host:1");
        let port = address
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse::<u16>()));
        if !matches!(port, Some((host, Ok(1..))) if !host.is_empty()) {
            problems.push(format!("observe.address: {address:?} is not host:port"));
        }
        problems
    }

    /// Where relays find this node.
    pub fn relay_address(&self, tcp: Option<SocketAddr>, node_name: &str, socket: &str) -> String {
        match (&self.address, tcp) {
            (Some(address), _) => address.clone(),
            // An address of every device is nobody's to dial.
            (None, Some(tcp)) if tcp.ip().is_unspecified() => format!("{node_name}:{}", tcp.port()),
            (None, Some(tcp)) => tcp.to_string(),
            (None, None) => socket.to_owned(),
        }
    }

    /// The name relays check a certificate by: as Hubble's nodes are called, unless another is set.
    pub fn relay_server_name(&self, tls: bool, node_name: &str, cluster: &str) -> Option<String> {
        let hubbles = || {
            let part = |name: &str| name.replace('.', "-");
            format!(
                "{}.{}.hubble-grpc.cilium.io",
                part(node_name),
                part(cluster)
            )
        };
        tls.then(|| self.server_name.clone().unwrap_or_else(hubbles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_told_what_they_can_dial() {
        let section = ObserveSection::default();
        let address = |tcp: Option<&str>| {
            let tcp = tcp.map(|text| text.parse().expect("an address"));
            section.relay_address(tcp, "node-a", "/run/flowd/flowd.sock")
        };
        assert_eq!(address(None), "/run/flowd/flowd.sock");
        assert_eq!(address(Some("10.0.0.1:4244")), "10.0.0.1:4244");
        assert_eq!(address(Some("[::]:4244")), "node-a:4244");
        let name = section.relay_server_name(true, "node.example", "default");
        let expected = "node-example.default.hubble-grpc.cilium.io";
        assert_eq!(name.as_deref(), Some(expected));
        assert_eq!(section.relay_server_name(false, "n", "default"), None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(ObserveSection::default().problems().is_empty());
        let wrong = ObserveSection {
            hubble_server_version: Some("v1".to_owned()),
            address: Some("host".to_owned()),
            server_name: None,
        };
        assert_eq!(wrong.problems().len(), 2);
    }
}
