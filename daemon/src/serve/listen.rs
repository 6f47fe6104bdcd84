//! Where servers listen: a unix socket only its group can use, TCP on loopback or with TLS only.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use crate::access::group_id;

/// Why nothing can be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another process answers on the socket.
    #[error("{0}: another process is listening here; stop it, or choose another socket")]
    InUse(PathBuf),
    /// Something that is no socket is in the way.
    #[error("{0}: a file that is no socket is in the way; move it, or choose another path")]
    NotASocket(PathBuf),
    /// The address can be reached from elsewhere.
    #[error(
        "{0}: plaintext is served on loopback only; listen on 127.0.0.1 or [::1], or give the \
         configuration a section tls"
    )]
    NotLoopback(SocketAddr),
    /// A group nobody knows.
    #[error("socket_group: this host has no group {0}; make it with `groupadd --system {0}`")]
    NoGroup(String),
    /// The system refused.
    #[error("cannot listen on {place}: {error}")]
    Io {
        /// Socket or address.
        place: String,
        /// Why.
        error: io::Error,
    },
}

/// A listening socket file, removed when it is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have put its own socket here.
        if inode(&self.path).is_some_and(|inode| inode == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// Listens on a unix socket with mode 0660, for a group when one is named. A socket nobody listens on any more is replaced.
///
/// # Errors
///
/// When somebody listens there, something else is in the way, nobody knows the group, or the system
/// refuses.
pub fn unix(path: &Path, group: Option<&str>) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |error| ListenError::Io {
        place: path.display().to_string(),
        error,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ListenError::InUse(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(failed(error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Bound beside its place and moved there, so that it is never there with another mode.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let group = match group {
        Some(name) => Some(group_id(name).ok_or_else(|| ListenError::NoGroup(name.to_owned()))?),
        None => None,
    };
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    std::os::unix::fs::chown(&fresh, None, group).map_err(failed)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o660)).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)?;
    let file = SocketFile {
        path: path.to_owned(),
        inode: inode(path).unwrap_or(0),
    };
    Ok((listener, file))
}

/// Listens on a loopback address.
///
/// # Errors
///
/// When the address is no loopback address or the system refuses.
pub async fn loopback(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    tcp(address).await
}

/// Listens on an address.
///
/// # Errors
///
/// When the system refuses.
pub async fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ListenError::Io {
            place: address.to_string(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flowd.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (listener, file) = unix(&path, None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(matches!(unix(&path, None), Err(ListenError::InUse(_))));
        drop(listener);
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_belongs_to_its_group() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flowd.sock");
        let own = fs::metadata(directory.path()).unwrap().gid().to_string();
        let (_listener, _file) = unix(&path, Some(&own)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().gid().to_string(), own);
        let refused = unix(&directory.path().join("b"), Some("no-such-group"));
        assert!(matches!(refused, Err(ListenError::NoGroup(_))));
    }

    #[tokio::test]
    async fn a_file_in_the_way_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flowd.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(unix(&path, None), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        let refused = loopback("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("loopback only"));
        assert!(loopback("127.0.0.1:0".parse().unwrap()).await.is_ok());
    }
}
