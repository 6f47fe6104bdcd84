//! `flowctl watch peers`: the nodes a relay would ask, as they come and go.

use flowd_proto::peer::peer_client::PeerClient;
use flowd_proto::peer::{ChangeNotificationType, NotifyRequest};

use super::{channel, print};
use crate::args::ServerArgs;
use crate::failure::Failure;
use crate::print::clean;

pub(super) async fn peers(server: &ServerArgs) -> Result<(), Failure> {
    let mut client = PeerClient::new(channel(server).await?);
    let mut changes = client.notify(NotifyRequest {}).await?.into_inner();
    while let Some(change) = changes.message().await? {
        let kind = match change.r#type() {
            ChangeNotificationType::PeerAdded => "PEER_ADDED  ",
            ChangeNotificationType::PeerDeleted => "PEER_DELETED",
            ChangeNotificationType::PeerUpdated => "PEER_UPDATED",
            ChangeNotificationType::Unknown => "UNKNOWN     ",
        };
        let tls = change.tls.as_ref().map_or_else(String::new, |tls| {
            format!(" (TLS.ServerName: {})", clean(&tls.server_name))
        });
        let line = format!(
            "{kind} {} {}{tls}\n",
            clean(&change.address),
            clean(&change.name)
        );
        print(line.as_bytes())?;
    }
    Ok(())
}
