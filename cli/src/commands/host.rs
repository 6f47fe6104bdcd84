//! The node's own policies: the switch that puts them out of force.

use flowd_proto::flowd::v1::policies_client::PoliciesClient;
use flowd_proto::flowd::v1::{BreakGlassAction, BreakGlassRequest, HostStatus, KeptConnection};

use crate::args::{HostCommand, ServerArgs, Switch};
use crate::commands::{channel, print, ssh_connection};
use crate::failure::Failure;
use crate::print::clean;

pub(super) async fn run(server: &ServerArgs, command: HostCommand) -> Result<(), Failure> {
    let HostCommand::BreakGlass(args) = command;
    let action = match args.switch {
        Switch::On => BreakGlassAction::BreakGlassOn,
        Switch::Off => BreakGlassAction::BreakGlassOff,
        Switch::Status => BreakGlassAction::Unspecified,
    };
    let request = BreakGlassRequest {
        action: action.into(),
        ssh_connection: ssh_connection(),
    };
    let mut client = PoliciesClient::new(channel(server).await?);
    // Not a single answer's deadline: it comes when the switch is in force.
    let answer = client.break_glass(request).await?.into_inner();
    print(words(&answer.host.unwrap_or_default()).as_bytes())
}

fn words(host: &HostStatus) -> String {
    let since = host
        .since
        .and_then(|since| jiff::Timestamp::try_from(since).ok());
    let since = since.map_or_else(String::new, |since| {
        format!(" since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC"))
    });
    let mut text = if host.break_glass {
        format!("break-glass is ON{since}: policies for this node judge nothing\n")
    } else {
        "break-glass is off: policies for this node are in force\n".to_owned()
    };
    text.push_str(&kept(&host.kept));
    text
}

/// A line for each connection that is kept.
pub(super) fn kept(connections: &[KeptConnection]) -> String {
    let lines = connections.iter().map(|kept| {
        let (peer, own) = (clean(&kept.peer), clean(&kept.own));
        format!("kept until it ends, whatever the policies say: {peer} to {own}\n")
    });
    lines.collect()
}
