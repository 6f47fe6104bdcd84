//! `GET /api/v1/flows`: past flows as JSON, and the query parameters the stream shares.

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use flowd_proto::flow::{DropReason, FlowFilter, TrafficDirection, Verdict};
use flowd_proto::flowd::v1::{GetFlowsExtension, ShadowFilter};
use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::reason;
use serde::Deserialize;

use super::{Shared, error};
use crate::access::{Grant, Scope};
use crate::observe::wire::Encoder;
use crate::serve::stream::{FlowStream, Outgoing, plan};

/// Flows of one answer, at most: an answer is built in memory.
pub(super) const MAX_LAST: u64 = 5_000;
/// Flows of an answer that asks for no number.
const DEFAULT_LAST: u64 = 100;

/// What can be asked. Values of one parameter are separated by commas and ORed; `ip`, `port`,
/// `pod`, `namespace`, `label` and `identity` match on either side.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    last: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    verdict: Option<String>,
    drop_reason: Option<String>,
    direction: Option<String>,
    protocol: Option<String>,
    reply: Option<bool>,
    uuid: Option<String>,
    ip: Option<String>,
    port: Option<String>,
    pod: Option<String>,
    namespace: Option<String>,
    label: Option<String>,
    identity: Option<String>,
    /// `any` or `changed`.
    shadow: Option<String>,
    /// Whether a stream tells the timeline among its flows.
    events: Option<bool>,
}

impl Asked {
    /// How many past flows are asked for.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether the timeline is asked for.
    pub(super) fn events(&self) -> bool {
        self.events == Some(true)
    }

    /// The request this is short for.
    pub(super) fn request(&self) -> Result<GetFlowsRequest, String> {
        Ok(GetFlowsRequest {
            number: self.last.unwrap_or(DEFAULT_LAST).clamp(1, MAX_LAST),
            since: self.since.as_deref().map(time).transpose()?,
            until: self.until.as_deref().map(time).transpose()?,
            whitelist: self.filters()?,
            extensions: self.shadow()?.map(|shadow| {
                let asked = GetFlowsExtension {
                    shadow: shadow.into(),
                    ..GetFlowsExtension::default()
                };
                asked.pack()
            }),
            ..GetFlowsRequest::default()
        })
    }

    fn shadow(&self) -> Result<Option<ShadowFilter>, String> {
        match self.shadow.as_deref() {
            None => Ok(None),
            Some("any") => Ok(Some(ShadowFilter::AnyShadow)),
            Some("changed") => Ok(Some(ShadowFilter::ChangedShadow)),
            Some(other) => Err(format!("shadow {other:?} is neither any nor changed")),
        }
    }

    fn filters(&self) -> Result<Vec<FlowFilter>, String> {
        let common = FlowFilter {
            verdict: numbers(self.verdict.as_ref(), |name| {
                Verdict::from_str_name(&name.to_ascii_uppercase()).map(|verdict| verdict as i32)
            })?,
            drop_reason_desc: numbers(self.drop_reason.as_ref(), |name| {
                let ours = reason::find(name).map(|drop| reason::of(drop).number());
                ours.or_else(|| DropReason::from_str_name(name).map(|drop| drop as i32))
            })?,
            traffic_direction: numbers(self.direction.as_ref(), |name| {
                TrafficDirection::from_str_name(&name.to_ascii_uppercase())
                    .map(|direction| direction as i32)
            })?,
            protocol: items(self.protocol.as_ref()),
            reply: self.reply.into_iter().collect(),
            uuid: items(self.uuid.as_ref()),
            ..FlowFilter::default()
        };
        let mut filters = vec![common.clone()];
        self.either_side(&mut filters)?;
        if filters == [FlowFilter::default()] {
            filters.clear();
        }
        Ok(filters)
    }

    /// Each parameter that means either side doubles the filters: one for each side.
    fn either_side(&self, filters: &mut Vec<FlowFilter>) -> Result<(), String> {
        let mut pods = items(self.pod.as_ref());
        pods.extend(
            items(self.namespace.as_ref())
                .into_iter()
                .map(|name| name + "/"),
        );
        let identities: Vec<u32> = numbers(self.identity.as_ref(), |text| text.parse().ok())?;
        let (ips, ports) = (items(self.ip.as_ref()), items(self.port.as_ref()));
        let labels = items(self.label.as_ref());
        if !ips.is_empty() {
            double(
                filters,
                |filter| &mut filter.source_ip,
                |filter| &mut filter.destination_ip,
                &ips,
            );
        }
        if !ports.is_empty() {
            double(
                filters,
                |filter| &mut filter.source_port,
                |filter| &mut filter.destination_port,
                &ports,
            );
        }
        if !pods.is_empty() {
            double(
                filters,
                |filter| &mut filter.source_pod,
                |filter| &mut filter.destination_pod,
                &pods,
            );
        }
        if !labels.is_empty() {
            double(
                filters,
                |filter| &mut filter.source_label,
                |filter| &mut filter.destination_label,
                &labels,
            );
        }
        if !identities.is_empty() {
            double(
                filters,
                |filter| &mut filter.source_identity,
                |filter| &mut filter.destination_identity,
                &identities,
            );
        }
        Ok(())
    }
}

fn double<V: Clone>(
    filters: &mut Vec<FlowFilter>,
    source: impl Fn(&mut FlowFilter) -> &mut Vec<V>,
    destination: impl Fn(&mut FlowFilter) -> &mut Vec<V>,
    values: &[V],
) {
    let mut others = filters.clone();
    for filter in filters.iter_mut() {
        source(filter).extend_from_slice(values);
    }
    for filter in &mut others {
        destination(filter).extend_from_slice(values);
    }
    filters.append(&mut others);
}

fn items(text: Option<&String>) -> Vec<String> {
    text.iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn numbers<V>(text: Option<&String>, number: impl Fn(&str) -> Option<V>) -> Result<Vec<V>, String> {
    items(text)
        .into_iter()
        .map(|item| number(&item).ok_or_else(|| format!("{item:?} means nothing here")))
        .collect()
}

fn time(text: &str) -> Result<flowd_proto::Timestamp, String> {
    text.parse::<jiff::Timestamp>()
        .map(Into::into)
        .map_err(|_| format!("{text:?} is no time; write it like 2026-01-31T12:00:00Z"))
}

/// The answer: an array of protobuf JSON `GetFlowsResponse`.
pub(super) async fn list_flows(
    shared: &Shared,
    scope: &Scope,
    asked: &Asked,
) -> Result<Response, String> {
    let request = asked.request()?;
    let plan = plan(&shared.sources, scope, &request).map_err(|error| error.to_string())?;
    let permit = shared.lists.clone().acquire_owned().await.ok();
    let mut encoder = Encoder::new(shared.sources.view(), plan.mask.clone());
    let mut stream = FlowStream::start(&shared.sources, plan, permit)
        .await
        .ok_or("flowd is stopping")?;
    let mut answers = Vec::new();
    while let Some(outgoing) = tokio_stream::StreamExt::next(&mut stream).await {
        answers.push(match outgoing {
            Outgoing::Flow(flow) => encoder.message(&flow),
            Outgoing::Lost(lost) => encoder.lost_message(lost),
        });
    }
    Ok(Json(answers).into_response())
}

/// `GET /api/v1/flows`.
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(grant): Extension<Grant>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let answer = match asked {
        Ok(Query(asked)) => list_flows(&shared, &grant.scope(), &asked).await,
        Err(rejection) => Err(rejection.body_text()),
    };
    answer.unwrap_or_else(|text| error(StatusCode::BAD_REQUEST, text))
}
