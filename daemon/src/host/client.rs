//! How the operator reached the daemon, as far as the request tells.

use std::net::{IpAddr, SocketAddr};

/// Who asked for a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The session's `SSH_CONNECTION` (ssh(1)), empty outside of one.
    pub ssh: String,
    /// Where a request over TCP came from.
    pub tcp: Option<SocketAddr>,
    /// The process behind a request over the unix socket.
    pub process: Option<u32>,
}

impl Client {
    /// Whether the request names this connection, by its own end and its peer's.
    pub(super) fn names(&self, own: SocketAddr, peer: SocketAddr) -> bool {
        let session = ssh(&self.ssh).map(|(own, peer)| (plain(own), plain(peer)));
        session == Some((own, peer)) || self.tcp.map(plain) == Some(peer)
    }
}

/// `client-address client-port server-address server-port`.
fn ssh(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut fields = text.split_whitespace();
    let mut end = || {
        // A link-local address carries its device.
        let host: IpAddr = fields.next()?.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(host, fields.next()?.parse().ok()?))
    };
    let (peer, own) = (end()?, end()?);
    Some((own, peer))
}

/// An IPv4 connection at an IPv6 socket is an IPv4 connection.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_session_are_read_from_its_environment() {
        let own: SocketAddr = "10.0.0.1:22".parse().unwrap();
        let peer: SocketAddr = "10.0.0.9:5".parse().unwrap();
        for (text, named) in [
            ("10.0.0.9 5 10.0.0.1 22", true),
            ("::ffff:10.0.0.9 5 ::ffff:10.0.0.1 22", true),
            ("10.0.0.9 6 10.0.0.1 22", false),
            ("UNKNOWN 65535 10.0.0.1 22", false),
            ("10.0.0.9 5", false),
            ("", false),
        ] {
            let client = Client {
                ssh: text.to_owned(),
                ..Client::default()
            };
            assert_eq!(client.names(own, peer), named, "{text}");
        }
        let local = ssh("fe80::9%eth0 5 fe80::1%eth0 22").map(|(_, peer)| peer);
        assert_eq!(local, Some("[fe80::9]:5".parse().unwrap()));
        let remote = Client {
            tcp: Some(peer),
            ..Client::default()
        };
        assert!(remote.names(own, peer) && !remote.names(peer, own));
    }
}
