//! The connection to a server, and what to say when there is none.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::args::{ServerArgs, TlsArgs};
use crate::failure::Failure;
use crate::secure::{Secure, TlsFailure};

/// Largest answer that is read: a status with thousands of endpoints fits, a runaway one does not.
pub const MAX_ANSWER: usize = 64 << 20;

/// A server, as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port, plaintext.
    Tcp(String),
    /// Host and port, TLS.
    Tls(String),
}

impl Address {
    /// Reads `unix:///path`, `/path`, `host:port`, `http://host:port` or `tls://host:port`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let unix = text
            .strip_prefix("unix://")
            .or_else(|| text.strip_prefix("unix:"));
        if let Some(path) = unix.or_else(|| text.starts_with('/').then_some(text)) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let plain = ["http://", "tcp://", "dns:///", "passthrough:///"];
        let tls = ["tls://", "https://"];
        let after = |schemes: &[&str]| schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        let secured = after(&tls);
        let host = secured.or_else(|| after(&plain)).unwrap_or(text);
        let port = host
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if host.contains("://") || port.is_none() {
            return Err(Failure::Usage(format!(
                "cannot use server {text:?}: write unix:///path/to.sock, host:port (plaintext) or \
                 tls://host:port"
            )));
        }
        Ok(match secured {
            Some(host) => Self::Tls(host.to_owned()),
            None => Self::Tcp(host.to_owned()),
        })
    }
}

/// The connection that requests go through, with who asks.
pub type Connection = InterceptedService<Channel, Token>;

/// Adds the token, where there is one, to every request.
#[derive(Clone, Debug)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Token {
    /// The token of a file, or name and password (RFC 7617).
    fn read(args: &TlsArgs) -> Result<Self, Failure> {
        if let (Some(name), Some(password)) = (&args.basic_auth_username, &args.basic_auth_password)
        {
            let both = BASE64_STANDARD.encode(format!("{name}:{password}"));
            let value: Result<MetadataValue<Ascii>, _> = format!("Basic {both}").parse();
            let mut value = value.map_err(|error| Failure::Usage(error.to_string()))?;
            value.set_sensitive(true);
            return Ok(Self(Some(value)));
        }
        let Some(file) = args.token_file.as_deref() else {
            return Ok(Self(None));
        };
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::Usage(format!("token file {}: {why}", file.display()))
        };
        let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
        let value = format!("Bearer {}", text.trim());
        let mut value: MetadataValue<Ascii> = value.parse().map_err(|error| wrong(&error))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Token {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Connects, or says in one line why not and what to do.
pub async fn connect(args: &ServerArgs) -> Result<Connection, Failure> {
    let server = args.address();
    let patience = args.timeout;
    let address = secured(Address::parse(&server)?, args)?;
    let token = Token::read(&args.tls)?;
    if let (Address::Tcp(host), Some(_)) = (&address, &token.0)
        && !is_loopback(host)
    {
        return Err(Failure::Usage(format!(
            "a token or password would go to {host} in plain text: add --tls"
        )));
    }
    let probe = async {
        match &address {
            Address::Unix(path) => UnixStream::connect(path).await.map(drop),
            Address::Tcp(host) => TcpStream::connect(host).await.map(drop),
            // Its handshake says more than a probe, and a probe would be logged as a refusal.
            Address::Tls(_) => Ok(()),
        }
    };
    let reached = timeout(patience, probe)
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()));
    reached.map_err(|error| Failure::Runtime(unreachable(&address, &error)))?;
    let channel = match &address {
        Address::Tcp(host) => plain(host, patience).await,
        Address::Unix(path) => unix(path.clone(), patience).await,
        Address::Tls(host) => tls(args, host.clone(), patience).await?,
    };
    let channel = channel
        .map_err(|error| Failure::Runtime(format!("{server} does not speak gRPC: {error}")))?;
    Ok(InterceptedService::new(channel, token))
}

/// The address as the flags want it spoken to.
fn secured(address: Address, args: &ServerArgs) -> Result<Address, Failure> {
    match address {
        Address::Tcp(host) if args.tls.tls => Ok(Address::Tls(host)),
        Address::Tcp(_) if args.tls.needs_tls() => Err(Failure::Usage(
            "certificates are for TLS: add --tls, or name the server tls://host:port".to_owned(),
        )),
        other @ (Address::Tcp(_) | Address::Unix(_) | Address::Tls(_)) => Ok(other),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_matches(['[', ']']);
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

type Connected = Result<Channel, tonic::transport::Error>;

async fn plain(host: &str, patience: Duration) -> Connected {
    Endpoint::from_shared(format!("http://{host}"))?
        .connect_timeout(patience)
        .connect()
        .await
}

async fn unix(path: PathBuf, patience: Duration) -> Connected {
    // The URI only fills the HTTP/2 authority; the connector ignores it.
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost")
        .connect_timeout(patience)
        .connect_with_connector(connector)
        .await
}

async fn tls(args: &ServerArgs, host: String, patience: Duration) -> Result<Connected, Failure> {
    let secure = Secure::new(&args.tls, &host)?;
    let address = Address::Tls(host.clone());
    let connector = service_fn(move |_: Uri| {
        let (secure, address, host) = (secure.clone(), address.clone(), host.clone());
        async move {
            let stream = TcpStream::connect(&host)
                .await
                .map_err(|error| TlsFailure(unreachable(&address, &error)))?;
            // A request must not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            secure.connect(stream).await.map(TokioIo::new)
        }
    });
    let connected = Endpoint::from_static("https://localhost")
        .connect_timeout(patience)
        .connect_with_connector(connector)
        .await;
    let Err(error) = &connected else {
        return Ok(connected);
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(TlsFailure(line)) = this.downcast_ref() {
            return Err(Failure::Runtime(line.clone()));
        }
        cause = this.source();
    }
    Ok(connected)
}

fn unreachable(address: &Address, error: &io::Error) -> String {
    let path = match address {
        Address::Tcp(host) | Address::Tls(host) => {
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
            ("tls://relay:443", Address::Tls("relay:443".into())),
        ] {
            assert_eq!(Address::parse(text).expect(text), expected);
        }
        for wrong in ["localhost", "tls://relay", "relay:port", ""] {
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
