//! `flowctl status`: is everything guarded, is every verdict accounted for.

use flowd_proto::flowd::v1::StatusRequest;
use flowd_proto::flowd::v1::flowd_client::FlowdClient;
use flowd_proto::observer::ServerStatusRequest;
use flowd_proto::observer::observer_client::ObserverClient;
use tonic::Code;

use super::{channel, print, print_json, unary};
use crate::args::{ServerArgs, StatusOutput};
use crate::client::{Connection, MAX_ANSWER};
use crate::failure::Failure;
use crate::print::{Paint, status};

pub(super) async fn run(server: &ServerArgs, output: StatusOutput) -> Result<(), Failure> {
    let channel = channel(server).await?;
    let mut client = FlowdClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
    let answer = match client.status(unary(server, StatusRequest {})).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::Unimplemented => {
            return of_hubble(server, channel, output).await;
        }
        Err(status) => return Err(status.into()),
    };
    match output {
        StatusOutput::Json => print_json(&answer)?,
        StatusOutput::Compact => {
            let paint = Paint::stdout(clap::ColorChoice::Auto);
            print(status::flowd(&answer, paint)?.as_bytes())?;
        }
    }
    if answer.healthy {
        Ok(())
    } else {
        Err(Failure::Unhealthy)
    }
}

/// What a server without `flowd.v1` can tell.
async fn of_hubble(
    server: &ServerArgs,
    channel: Connection,
    output: StatusOutput,
) -> Result<(), Failure> {
    let mut client = ObserverClient::new(channel);
    let answer = client
        .server_status(unary(server, ServerStatusRequest {}))
        .await?
        .into_inner();
    match output {
        StatusOutput::Json => print_json(&answer)?,
        StatusOutput::Compact => print(status::hubble(&answer).as_bytes())?,
    }
    match answer.num_unavailable_nodes {
        Some(0) | None => Ok(()),
        Some(_) => Err(Failure::Unhealthy),
    }
}
