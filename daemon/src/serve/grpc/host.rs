//! The host's own side of a change: the connections by which it is made are kept before it is, and
//! the switch that puts policies for this node out of force.

use std::sync::Arc;

use flowd_abi::Endpoint;
use flowd_policy::{Subjects, read};
use flowd_proto::Timestamp;
use flowd_proto::flowd::v1::{BreakGlassAction, HostStatus, KeptConnection};
use tonic::{Request, Status};

use super::policies::PolicyDoor;
use crate::access::Peer;
use crate::clock::realtime;
use crate::host::{self, Client};
use crate::serve::{Sources, status};

/// Told when a policy for this node comes in force and nobody's connection is kept.
pub(super) const NOBODY_KEPT: &str = "policies for this node are in force, and no connection of \
    yours to it was found that could be kept";

/// Who asks, as far as can be told.
pub(super) fn client<T>(request: &Request<T>, ssh: &str) -> Client {
    let mut client = Client {
        ssh: ssh.to_owned(),
        ..Client::default()
    };
    let peer = request.extensions().get::<Arc<Peer>>();
    match peer.map(AsRef::as_ref) {
        Some(Peer::Unix { pid, .. }) => {
            client.process = pid.and_then(|process| u32::try_from(process).ok());
        }
        Some(Peer::Loopback(address) | Peer::Tls { address, .. }) => client.tcp = Some(*address),
        None => {}
    }
    client
}

/// Whether a text has a policy for nodes.
pub(super) fn is_about_nodes(text: &str) -> bool {
    let contents = read("(applied)", text).unwrap_or_default();
    let mut specs = contents.policies.iter().flat_map(|policy| &policy.specs);
    specs.any(|spec| match spec.subject {
        Subjects::Nodes(_) => true,
        Subjects::Endpoints(_) => false,
    })
}

/// Whether policies for this node are in force.
pub(super) fn is_guarded(sources: &Sources) -> bool {
    let status = sources.status.load();
    status
        .endpoints
        .iter()
        .any(|endpoint| endpoint.id == Endpoint::HOST_ID)
}

/// Keeps the connections by which `client` makes a change.
///
/// # Errors
///
/// When they cannot be kept: the change is not to be made then.
pub(super) fn keep(door: &PolicyDoor, client: &Client) -> Result<Vec<KeptConnection>, Status> {
    let kept = door.operator.keep(client).map_err(|error| {
        Status::internal(format!(
            "nothing was changed: the connection you came by cannot be kept: {error}"
        ))
    })?;
    Ok(kept.iter().map(connection).collect())
}

/// Switches, or only looks.
///
/// # Errors
///
/// When the file cannot be written.
pub(super) fn switch(door: &PolicyDoor, action: BreakGlassAction) -> Result<(), Status> {
    let glass = &door.glass;
    let done = match action {
        BreakGlassAction::Unspecified => return Ok(()),
        BreakGlassAction::BreakGlassOn => glass.smash(realtime() / 1_000_000_000),
        BreakGlassAction::BreakGlassOff => glass.mend(),
    };
    done.map_err(|error| Status::internal(format!("{}: {error}", glass.path().display())))
}

/// What holds for the host.
pub(crate) fn answer(host: &status::HostStatus) -> HostStatus {
    HostStatus {
        break_glass: host.broken_since.is_some(),
        since: host
            .broken_since
            .filter(|since| *since > 0)
            .map(|since| Timestamp::from_unix_nanos(since.saturating_mul(1_000_000_000))),
        kept: host.kept.iter().map(connection).collect(),
    }
}

fn connection(kept: &host::KeptConnection) -> KeptConnection {
    KeptConnection {
        own: kept.own.to_string(),
        peer: kept.peer.to_string(),
    }
}
