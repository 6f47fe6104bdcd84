//! The connections by which the operator applied host policies: kept whatever the policies say,
//! until they end. They are written into the connection table before the policy is, remembered in
//! the state directory, and put back if the table has lost them.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use flowd_abi::{Endpoint, protocol};
use serde::{Deserialize, Serialize};

use super::{Client, ancestors};
use crate::{
    clock::monotonic,
    endpoints::{self, OpenConnection},
    kernel::{namespace::Namespace, sweep::Sweep},
};

/// Connections kept, at most; one more lets go of the oldest.
const MAX_KEPT: usize = 32;

/// A connection that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptConnection {
    /// The host's end.
    pub own: SocketAddr,
    /// The operator's end.
    pub peer: SocketAddr,
}

/// The keeper; cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    path: PathBuf,
    namespace: Namespace,
    sweep: Arc<Mutex<Sweep>>,
    kept: Arc<Mutex<Vec<KeptConnection>>>,
}

impl Operator {
    /// The keeper of the connections in `namespace`, with those an earlier daemon kept.
    pub fn open(state: &Path, namespace: Namespace, sweep: Arc<Mutex<Sweep>>) -> Self {
        let path = state.join("operator.json");
        let kept = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let kept = kept.unwrap_or_else(|error| {
            // The connection table still holds them; what is lost is that they are put back.
            tracing::warn!(path = %path.display(), %error, "kept connections cannot be read");
            Vec::new()
        });
        Self {
            path,
            namespace,
            sweep,
            kept: Arc::new(Mutex::new(kept)),
        }
    }

    /// Keeps the connections by which `client` talks to this host, and names all it is kept by.
    /// What the client says of itself counts only where the host has such a connection.
    ///
    /// # Errors
    ///
    /// When the host's sockets cannot be read, or the connection cannot be kept.
    pub fn keep(&self, client: &Client) -> io::Result<Vec<KeptConnection>> {
        let inodes = client.process.map(ancestors::sockets).unwrap_or_default();
        let open = self.open_connections()?;
        let of_client = open.iter().filter(|open| {
            let kept = ends(open);
            client.names(kept.own, kept.peer) || inodes.contains(&open.inode)
        });
        let mut known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for open in of_client {
            let kept = ends(open);
            found.push(kept);
            if !known.contains(&kept) {
                tracing::info!(own = %kept.own, peer = %kept.peer, "the operator's connection is kept");
                known.push(kept);
            }
            self.write(open)?;
        }
        let surplus = known.len().saturating_sub(MAX_KEPT);
        known.drain(..surplus);
        self.save(&known)?;
        Ok(found)
    }

    /// Puts back what the connection table has lost, and forgets what has ended.
    ///
    /// # Errors
    ///
    /// When the host's sockets cannot be read, or a connection cannot be put back.
    pub fn uphold(&self) -> io::Result<()> {
        let mut known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return Ok(());
        }
        let open = self.open_connections()?;
        let before = known.len();
        known.retain(|kept| open.iter().any(|open| ends(open) == *kept));
        if known.len() != before {
            tracing::info!(kept = known.len(), "a kept connection has ended");
            self.save(&known)?;
        }
        open.iter()
            .filter(|open| known.contains(&ends(open)))
            .try_for_each(|open| self.write(open))
    }

    /// The connections that are kept.
    pub fn kept(&self) -> Vec<KeptConnection> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn open_connections(&self) -> io::Result<Vec<OpenConnection>> {
        let mut open = endpoints::sockets(&self.namespace, Endpoint::HOST_ID, monotonic())?;
        open.retain(|open| open.key.protocol == protocol::TCP);
        Ok(open)
    }

    fn write(&self, open: &OpenConnection) -> io::Result<()> {
        let mut sweep = self.sweep.lock().unwrap_or_else(PoisonError::into_inner);
        sweep
            .keep(&open.key, &open.connection)
            .map_err(io::Error::other)?;
        Ok(())
    }

    fn save(&self, kept: &[KeptConnection]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(kept).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(new, &self.path)
    }
}

fn ends(open: &OpenConnection) -> KeptConnection {
    KeptConnection {
        own: open.own,
        peer: open.peer,
    }
}
