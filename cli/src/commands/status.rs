//! `flowctl status`: is everything guarded, is every verdict accounted for.

use std::io::{self, Write};

use flowd_proto::flowd::v1::flowd_client::FlowdClient;
use flowd_proto::flowd::v1::{StatusRequest, StatusResponse};
use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{ServerStatusRequest, ServerStatusResponse};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{channel, print, print_json, unary};
use crate::args::{ServerArgs, StatusOutput};
use crate::client::MAX_ANSWER;
use crate::failure::Failure;
use crate::print::server::{self, Asked};
use crate::print::{Paint, clean};

/// The service whose health Hubble's clients ask for.
const OBSERVER: &str = "hubble.server.Observer";

pub(super) async fn run(args: &ServerArgs, output: StatusOutput) -> Result<(), Failure> {
    let servers = args.each();
    let several = servers.len() > 1;
    let mut answers = Vec::new();
    let mut failed = None;
    for one in &servers {
        match ask(one).await {
            Ok(answer) => answers.push(answer),
            Err(failure) if several => {
                if let Some(line) = failure.line() {
                    let server = one.address();
                    writeln!(io::stderr(), "flowctl: {}: {line}", clean(&server))?;
                }
                failed = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    match output {
        StatusOutput::Json => {
            for answer in &answers {
                match &answer.flowd {
                    Some(flowd) => print_json(flowd)?,
                    None => print_json(&answer.hubble)?,
                }
            }
        }
        StatusOutput::Compact => {
            let paint = Paint::stdout(clap::ColorChoice::Auto);
            for answer in &answers {
                if several {
                    print(format!("== {}\n", clean(&answer.server)).as_bytes())?;
                }
                print(server::compact(answer, paint)?.as_bytes())?;
            }
        }
        StatusOutput::Dict => {
            let texts: Vec<String> = answers.iter().map(server::dict).collect();
            print(texts.join("------------\n").as_bytes())?;
        }
        StatusOutput::Table => print(server::table(&answers)?.as_bytes())?,
    }
    match failed {
        Some(failure) => Err(failure),
        None if answers.iter().all(Asked::healthy) => Ok(()),
        None => Err(Failure::Unhealthy),
    }
}

/// Asks flowd in its own words, and any server in Hubble's.
async fn ask(server: &ServerArgs) -> Result<Asked, Failure> {
    let channel = channel(server).await?;
    let mut flowd = FlowdClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
    let flowd: Option<StatusResponse> = match flowd.status(unary(server, StatusRequest {})).await {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) if status.code() == Code::Unimplemented => None,
        Err(status) => return Err(status.into()),
    };
    let mut health = HealthClient::new(channel.clone());
    let request = HealthCheckRequest {
        service: OBSERVER.to_owned(),
    };
    let health = match health.check(unary(server, request)).await {
        Ok(answer) => Some(answer.into_inner().status() == ServingStatus::Serving),
        Err(_) => None,
    };
    let mut observer = ObserverClient::new(channel);
    let request = unary(server, ServerStatusRequest {});
    let hubble: ServerStatusResponse = observer.server_status(request).await?.into_inner();
    Ok(Asked {
        server: server.address(),
        health,
        flowd,
        hubble,
    })
}
