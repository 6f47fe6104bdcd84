//! Where the daemon listens, where it says so, and the token that opens its page.

mod renew;

pub(crate) use renew::Renew;

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Context as _;
use tokio::net::{TcpListener, UnixListener};

use crate::{
    config::Config,
    serve::{Door, listen, tls::Tls},
};

/// Where the daemon listens.
pub(crate) struct Doors {
    pub(crate) unix: UnixListener,
    pub(crate) file: listen::SocketFile,
    pub(crate) tcp: Option<Door>,
    pub(crate) tls: Option<Tls>,
    address: Option<SocketAddr>,
    pub(crate) web: TcpListener,
    pub(crate) metrics: TcpListener,
}

impl Doors {
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(directory) = config.socket.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("socket directory {}", directory.display()))?;
        }
        let (unix, file) = listen::unix(&config.socket, config.socket_group.as_deref())?;
        let tls = config.reloadable.tls.as_ref().map(Tls::load).transpose();
        let tls = tls.map_err(anyhow::Error::msg)?;
        let listener = match (config.listen, &tls) {
            (Some(address), Some(_)) => Some(listen::tcp(address).await?),
            (Some(address), None) => Some(listen::loopback(address).await?),
            (None, _) => None,
        };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let tcp = listener.map(|listener| match &tls {
            Some(tls) => Door::Tls(listener, tls.clone()),
            None => Door::Loopback(listener),
        });
        let metrics = TcpListener::bind(config.metrics)
            .await
            .with_context(|| format!("cannot listen on {} (--metrics)", config.metrics))?;
        Ok(Self {
            unix,
            file,
            tcp,
            tls,
            address,
            web: listen::loopback(config.web).await?,
            metrics,
        })
    }

    /// Where relays are told to find this node.
    pub(crate) fn relay_address(&self, config: &Config) -> String {
        let socket = config.socket.display().to_string();
        let observe = &config.observe;
        observe.relay_address(self.address, &config.node_name, &socket)
    }

    /// Writes the addresses, which may have been left to the system, where others find them.
    pub(crate) fn announce(&self, state: &Path) -> anyhow::Result<()> {
        let text =
            |address: std::io::Result<SocketAddr>| address.map(|address| address.to_string());
        let tcp = self.address.map(|address| address.to_string());
        let web = text(self.web.local_addr())?;
        let metrics = text(self.metrics.local_addr())?;
        let addresses = serde_json::json!({"grpc": tcp, "web": web, "metrics": metrics});
        let path = state.join("addresses.json");
        // A convenience for scripts: a full disk keeps nobody from being guarded and told of it.
        if let Err(error) = fs::write(&path, format!("{addresses}\n")) {
            tracing::warn!(path = %path.display(), %error, "the addresses cannot be written");
        }
        tracing::info!(
            page = %format!("http://{web}/"),
            token = %state.join("web-token").display(),
            metrics = %format!("http://{metrics}/metrics"),
            "serving"
        );
        Ok(())
    }
}

/// The token that opens the page: made once, readable by the daemon's user only.
pub(crate) fn token(state: &Path) -> anyhow::Result<String> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let path = state.join("web-token");
    if let Ok(token) = fs::read_to_string(&path)
        && !token.trim().is_empty()
    {
        return Ok(token.trim().to_owned());
    }
    let token = uuid::Uuid::new_v4().simple().to_string();
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(token.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(token)
}
