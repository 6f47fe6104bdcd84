//! The connection to a server, and what to say when there is none.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::failure::Failure;

/// Largest answer that is read: a status with thousands of endpoints fits, a runaway one does not.
pub const MAX_ANSWER: usize = 64 << 20;

/// A server, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port, plaintext.
    Tcp(String),
}

impl Address {
    /// Reads `unix:///path`, `/path`, `host:port` or `http://host:port`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let unix = text
            .strip_prefix("unix://")
            .or_else(|| text.strip_prefix("unix:"));
        if let Some(path) = unix.or_else(|| text.starts_with('/').then_some(text)) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let plain = ["http://", "tcp://", "dns:///", "passthrough:///"];
        let host = plain
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        let port = host
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if host.contains("://") || port.is_none() {
            return Err(Failure::Usage(format!(
                "cannot use server {text:?}: write unix:///path/to.sock or host:port (plaintext)"
            )));
        }
        Ok(Self::Tcp(host.to_owned()))
    }
}

/// Connects, or says in one line why not and what to do.
pub async fn connect(server: &str, patience: Duration) -> Result<Channel, Failure> {
    let address = Address::parse(server)?;
    let probe = async {
        match &address {
            Address::Unix(path) => UnixStream::connect(path).await.map(drop),
            Address::Tcp(host) => TcpStream::connect(host).await.map(drop),
        }
    };
    let reached = timeout(patience, probe)
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()));
    reached.map_err(|error| Failure::Runtime(unreachable(&address, &error)))?;

    let failed = |error: tonic::transport::Error| {
        Failure::Runtime(format!("{server} does not speak gRPC: {error}"))
    };
    match address {
        Address::Tcp(host) => {
            let endpoint = Endpoint::from_shared(format!("http://{host}")).map_err(failed)?;
            endpoint
                .connect_timeout(patience)
                .connect()
                .await
                .map_err(failed)
        }
        Address::Unix(path) => {
            // The URI only fills the HTTP/2 authority; the connector ignores it.
            let connector = service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let endpoint = Endpoint::from_static("http://localhost").connect_timeout(patience);
            endpoint
                .connect_with_connector(connector)
                .await
                .map_err(failed)
        }
    }
}

fn unreachable(address: &Address, error: &io::Error) -> String {
    let path = match address {
        Address::Tcp(host) => {
            return format!("cannot reach {host}: {error}; is a server listening there?");
        }
        Address::Unix(path) => path,
    };
    let shown = path.display();
    let kind = error.kind();
    if matches!(
        kind,
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    ) {
        return format!(
            "flowd is not running at {shown} ({error}); start it, or name its socket with \
             --server or FLOWD_SERVER"
        );
    }
    if kind == io::ErrorKind::PermissionDenied {
        let group = group_of(path).map_or_else(String::new, |group| {
            format!("; join group {group} (sudo usermod -aG {group} $USER, then log in again)")
        });
        return format!("permission denied on {shown}{group} or run this as root");
    }
    format!("cannot reach {shown}: {error}")
}

/// Name of the group that owns the socket, or the first folder above it that can be looked at.
fn group_of(path: &Path) -> Option<String> {
    let gid = path
        .ancestors()
        .find_map(|path| fs::metadata(path).ok())?
        .gid();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid.to_string()).then(|| name.to_owned())
    });
    Some(named.unwrap_or_else(|| gid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_in_hubble() {
        for (text, expected) in [
            ("unix:///run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:x.sock", Address::Unix("x.sock".into())),
            ("/run/x.sock", Address::Unix("/run/x.sock".into())),
            ("localhost:4245", Address::Tcp("localhost:4245".into())),
            ("http://[::1]:4245", Address::Tcp("[::1]:4245".into())),
        ] {
            assert_eq!(Address::parse(text).expect(text), expected);
        }
        for wrong in ["localhost", "tls://relay:443", "relay:port", ""] {
            assert!(
                matches!(Address::parse(wrong), Err(Failure::Usage(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_group_of_a_missing_file_is_that_of_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = group_of(&folder.path().join("no/such.sock"));
        assert_eq!(group, group_of(folder.path()));
        assert!(group.is_some());
    }
}
