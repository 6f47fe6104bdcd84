//! OTLP logs over gRPC: one record a flow, named as `flowctl observe -o otlp-json` names them.

use std::time::Duration;

use flowd_proto::flow::{Flow, TrafficDirection, Verdict, layer4::Protocol};
use flowd_proto::observer::{ExportEvent, export_event::ResponseTypes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::observe::flow::VERSION;

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A collector; the connection is made when there is something to send, and again when it broke.
#[derive(Debug)]
pub(super) struct Collector {
    endpoint: Endpoint,
    channel: Option<Channel>,
}

/// What became of a batch.
pub(super) enum Sent {
    All,
    /// So many were not wanted, and will not be: trying again is of no use.
    Rejected(u64, String),
    /// To be tried again.
    Later(String),
}

impl Collector {
    pub(super) fn new(address: &str) -> Result<Self, String> {
        if !address.starts_with("http://") {
            return Err(format!(
                "otlp.endpoint: {address:?} is not http://HOST:PORT; for TLS, run a collector \
                 beside flowd that speaks it onwards"
            ));
        }
        let endpoint = Endpoint::from_shared(address.to_owned())
            .map_err(|error| format!("otlp.endpoint: {address}: {error}"))?;
        Ok(Self {
            endpoint: endpoint.timeout(PATIENCE).connect_timeout(PATIENCE),
            channel: None,
        })
    }

    pub(super) async fn send(&mut self, batch: &[ExportEvent]) -> Sent {
        let endpoint = &self.endpoint;
        let channel = self.channel.get_or_insert_with(|| endpoint.connect_lazy());
        let mut client = Grpc::new(channel.clone());
        if let Err(error) = client.ready().await {
            return Sent::Later(format!("{}: {}", endpoint.uri(), causes(&error)));
        }
        let codec: ProstCodec<ExportLogsServiceRequest, ExportLogsServiceResponse> =
            ProstCodec::default();
        let path = PathAndQuery::from_static(EXPORT);
        match client
            .unary(Request::new(request(batch)), path, codec)
            .await
        {
            Ok(answer) => match answer.into_inner().partial_success {
                Some(part) if part.rejected_log_records > 0 => {
                    let count = u64::try_from(part.rejected_log_records).unwrap_or(0);
                    Sent::Rejected(count, part.error_message)
                }
                Some(_) | None => Sent::All,
            },
            Err(status) if is_lasting(status.code()) => {
                Sent::Rejected(batch.len() as u64, status.message().to_owned())
            }
            Err(status) => Sent::Later(format!("{}: {}", endpoint.uri(), causes(&status))),
        }
    }
}

/// What the specification of OTLP says is of no use to be tried again.
fn is_lasting(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        text = format!("{text}: {this}");
        cause = this.source();
    }
    text
}

fn request(batch: &[ExportEvent]) -> ExportLogsServiceRequest {
    let node = batch.first().map(|event| event.node_name.as_str());
    let resource = Resource {
        attributes: vec![
            text("service.name", "flowd"),
            text("service.version", VERSION),
            text("host.name", node.unwrap_or_default()),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "flowd".to_owned(),
        version: VERSION.to_owned(),
        ..InstrumentationScope::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope),
                log_records: batch.iter().filter_map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn record(event: &ExportEvent) -> Option<LogRecord> {
    let nanos = event.time.map_or(0, |time| time.unix_nanos());
    let (severity, word, name, body, attributes) = match event.response_types.as_ref()? {
        ResponseTypes::Flow(flow) => {
            let (severity, word) = match flow.verdict() {
                Verdict::Dropped | Verdict::Audit => (13, "WARN"),
                Verdict::Error => (17, "ERROR"),
                Verdict::Unknown
                | Verdict::Forwarded
                | Verdict::Redirected
                | Verdict::Traced
                | Verdict::Translated => (9, "INFO"),
            };
            (severity, word, "flow", sentence(flow), attributes(flow))
        }
        ResponseTypes::LostEvents(lost) => {
            let count = number("flow.lost", lost.num_events_lost);
            let body = format!("{} flows were lost", lost.num_events_lost);
            (13, "WARN", "flow.lost", body, vec![count])
        }
        ResponseTypes::NodeStatus(_)
        | ResponseTypes::AgentEvent(_)
        | ResponseTypes::DebugEvent(_) => return None,
    };
    Some(LogRecord {
        time_unix_nano: nanos,
        observed_time_unix_nano: nanos,
        severity_number: severity,
        severity_text: word.to_owned(),
        event_name: name.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(body)),
        }),
        attributes,
        ..LogRecord::default()
    })
}

/// Transport and ports; the type stands for the ports of ICMP.
fn layer4(flow: &Flow) -> (&'static str, u32, u32) {
    match flow.l4.as_ref().and_then(|l4| l4.protocol.as_ref()) {
        Some(Protocol::Tcp(tcp)) => ("TCP", tcp.source_port, tcp.destination_port),
        Some(Protocol::Udp(udp)) => ("UDP", udp.source_port, udp.destination_port),
        Some(Protocol::Sctp(sctp)) => ("SCTP", sctp.source_port, sctp.destination_port),
        Some(Protocol::IcmPv4(_)) => ("ICMPv4", 0, 0),
        Some(Protocol::IcmPv6(_)) => ("ICMPv6", 0, 0),
        Some(Protocol::Vrrp(_)) => ("VRRP", 0, 0),
        Some(Protocol::Igmp(_)) => ("IGMP", 0, 0),
        None => ("", 0, 0),
    }
}

fn sentence(flow: &Flow) -> String {
    let ip = flow.ip.clone().unwrap_or_default();
    let name = |end: &Option<flowd_proto::flow::Endpoint>, address: &str| match end {
        Some(end) if !end.pod_name.is_empty() => format!("{}/{}", end.namespace, end.pod_name),
        Some(_) | None => address.to_owned(),
    };
    let (protocol, from, to) = layer4(flow);
    let why = match flow.verdict() {
        Verdict::Dropped => format!(" ({})", flow.drop_reason_desc().as_str_name()),
        Verdict::Unknown
        | Verdict::Forwarded
        | Verdict::Error
        | Verdict::Audit
        | Verdict::Redirected
        | Verdict::Traced
        | Verdict::Translated => String::new(),
    };
    format!(
        "{}:{from} -> {}:{to} {protocol} {}{why}",
        name(&flow.source, &ip.source),
        name(&flow.destination, &ip.destination),
        flow.verdict().as_str_name()
    )
}

fn attributes(flow: &Flow) -> Vec<KeyValue> {
    let (protocol, from, to) = layer4(flow);
    let direction = match flow.traffic_direction() {
        TrafficDirection::Ingress => "receive",
        TrafficDirection::Egress => "transmit",
        TrafficDirection::Unknown => "",
    };
    let mut list = vec![
        text("flow.uuid", &flow.uuid),
        text("flow.verdict", flow.verdict().as_str_name()),
        text("network.transport", protocol),
        text("network.io.direction", direction),
    ];
    if flow.verdict() == Verdict::Dropped {
        list.push(text(
            "flow.drop_reason",
            flow.drop_reason_desc().as_str_name(),
        ));
    }
    let ip = flow.ip.clone().unwrap_or_default();
    for (side, address, port, end) in [
        ("source", &ip.source, from, &flow.source),
        ("destination", &ip.destination, to, &flow.destination),
    ] {
        list.push(text(&format!("{side}.address"), address));
        if port != 0 {
            list.push(number(&format!("{side}.port"), port.into()));
        }
        if let Some(end) = end {
            list.push(text(&format!("{side}.k8s.namespace.name"), &end.namespace));
            list.push(text(&format!("{side}.k8s.pod.name"), &end.pod_name));
            list.push(number(
                &format!("{side}.flow.identity"),
                end.identity.into(),
            ));
        }
    }
    if let Some(counts) = &flow.aggregate {
        list.push(number(
            "flow.count.ingress",
            counts.ingress_flow_count.into(),
        ));
        list.push(number("flow.count.egress", counts.egress_flow_count.into()));
    }
    if let Some(extension) = flow.extension() {
        list.push(number("flow.packets", extension.packets_told.max(1)));
        list.push(number("flow.sent.bytes", extension.sent_bytes));
        list.push(number("flow.received.bytes", extension.received_bytes));
        let rules = extension.rules.iter();
        let rules: Vec<String> = rules
            .map(|rule| format!("{}:{}", rule.file, rule.line))
            .collect();
        list.push(text("flow.rules", &rules.join(" ")));
    }
    list.retain(|attribute| {
        let value = attribute
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref());
        value != Some(&Value::StringValue(String::new()))
    });
    list
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: u64) -> KeyValue {
    attribute(
        key,
        Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
