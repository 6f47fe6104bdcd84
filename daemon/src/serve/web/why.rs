//! `GET /api/v1/why`: what decided on a flow, or on a kind of connection.

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::why_request::Question;
use flowd_proto::flowd::v1::{WhyRequest, WhyTuple};
use serde::Deserialize;
use tonic::Code;

use super::{Shared, error};
use crate::access::Grant;
use crate::serve::why;

/// What can be asked: the uuid of a flow, or who, where and what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    uuid: Option<String>,
    source: Option<String>,
    destination: Option<String>,
    protocol: Option<String>,
    port: Option<u32>,
    direction: Option<String>,
}

impl Asked {
    fn request(self) -> Result<WhyRequest, &'static str> {
        const EITHER: &str = "ask by uuid, or by source, destination, protocol and port";
        let tuple = (self.source, self.destination, self.protocol);
        let question = match (self.uuid, tuple) {
            (Some(uuid), (None, None, None)) => Question::Uuid(uuid),
            (None, (Some(source), Some(destination), Some(protocol))) => {
                let direction = match self.direction.as_deref() {
                    None | Some("") => TrafficDirection::Unknown,
                    Some("ingress") => TrafficDirection::Ingress,
                    Some("egress") => TrafficDirection::Egress,
                    Some(_) => return Err("direction is ingress or egress"),
                };
                Question::Tuple(WhyTuple {
                    source,
                    destination,
                    protocol,
                    port: self.port.unwrap_or(0),
                    direction: direction.into(),
                })
            }
            (Some(_), _) | (None, _) => return Err(EITHER),
        };
        Ok(WhyRequest {
            question: Some(question),
        })
    }
}

/// `GET /api/v1/why`: protobuf JSON of `flowd.v1.WhyResponse`.
pub(super) async fn why(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let request = match asked {
        Ok(Query(asked)) => asked.request(),
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let request = match request {
        Ok(request) => request,
        Err(text) => return error(StatusCode::BAD_REQUEST, text),
    };
    match why::answer(&shared.sources, &shared.whys, request, &grant.scope()).await {
        Ok(answer) => Json(answer).into_response(),
        Err(status) => error(http(status.code()), status.message()),
    }
}

/// The HTTP status of a code that [`why::answer`] gives.
fn http(code: Code) -> StatusCode {
    let known = [
        (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        (Code::NotFound, StatusCode::NOT_FOUND),
        (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    ];
    let found = known.into_iter().find(|(known, _)| *known == code);
    found.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| status)
}
