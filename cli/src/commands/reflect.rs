//! `flowctl reflect`: what a server offers, by gRPC's own account.

use tokio_stream::once;
use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1alpha::server_reflection_response::MessageResponse;

use super::{channel, print};
use crate::args::ServerArgs;
use crate::failure::Failure;
use crate::print::clean;

pub(super) async fn run(server: &ServerArgs) -> Result<(), Failure> {
    let mut client = ServerReflectionClient::new(channel(server).await?);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(once(request))
        .await?
        .into_inner();
    let answer = answers.message().await?;
    match answer.and_then(|answer| answer.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => {
            let names = list.service.iter().map(|service| clean(&service.name));
            let lines: String = names.map(|name| format!("{name}\n")).collect();
            print(lines.as_bytes())
        }
        Some(MessageResponse::ErrorResponse(error)) => Err(Failure::Runtime(format!(
            "the server refused: {}",
            error.error_message
        ))),
        Some(
            MessageResponse::FileDescriptorResponse(_)
            | MessageResponse::AllExtensionNumbersResponse(_),
        )
        | None => Err(Failure::Runtime(
            "the server does not tell what it offers".to_owned(),
        )),
    }
}
