//! Looks at a flowd from outside: its socket, its addresses, its HTTP.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::traffic::{HttpResponse, get_over};

/// A loopback answer that takes longer is no answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Whether somebody accepts on the unix socket.
pub(super) fn accepts(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// The address flowd wrote down for `service`.
pub(super) fn address(file: &Path, service: &str) -> Result<SocketAddr> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let addresses: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON"))?;
    addresses
        .get(service)
        .and_then(serde_json::Value::as_str)
        .with_context(|| format!("{shown} has no address for {service}"))?
        .parse()
        .with_context(|| format!("{shown}: the address for {service} is not ADDRESS:PORT"))
}

/// Gets a page over plain HTTP.
pub(super) fn get(address: SocketAddr, path: &str) -> io::Result<HttpResponse> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    get_over(stream, address, path, ANSWER_WITHIN)
}
