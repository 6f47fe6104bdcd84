//! Flows as OTLP logs: one record a flow, named as `flowctl observe -o otlp-json` names them.

use flowd_proto::flow::{Flow, Verdict};
use flowd_proto::observer::{ExportEvent, export_event::ResponseTypes};
use flowd_proto::otlp::{self, Attribute, Severity};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::observe::flow::VERSION;

/// A batch as a collector takes it.
pub(super) fn request(batch: &[ExportEvent]) -> ExportLogsServiceRequest {
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
    let (severity, name, body, attributes) = match event.response_types.as_ref()? {
        ResponseTypes::Flow(flow) => {
            let attributes = otlp::attributes(flow);
            (
                Severity::of(flow.verdict()),
                "flow",
                sentence(flow),
                attributes,
            )
        }
        ResponseTypes::LostEvents(lost) => {
            let count = Attribute::number("flow.lost", lost.num_events_lost);
            let body = format!("{} flows were lost", lost.num_events_lost);
            (Severity::WARN, "flow.lost", body, vec![count])
        }
        ResponseTypes::NodeStatus(_)
        | ResponseTypes::AgentEvent(_)
        | ResponseTypes::DebugEvent(_) => return None,
    };
    Some(LogRecord {
        time_unix_nano: nanos,
        observed_time_unix_nano: nanos,
        severity_number: i32::from(severity.number),
        severity_text: severity.word.to_owned(),
        event_name: name.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(body)),
        }),
        attributes: attributes.into_iter().map(key_value).collect(),
        ..LogRecord::default()
    })
}

fn sentence(flow: &Flow) -> String {
    let ip = flow.ip.clone().unwrap_or_default();
    let name = |end: &Option<flowd_proto::flow::Endpoint>, address: &str| match end {
        Some(end) if !end.pod_name.is_empty() => format!("{}/{}", end.namespace, end.pod_name),
        Some(_) | None => address.to_owned(),
    };
    let (from, to) = flow.ports().unwrap_or_default();
    let protocol = flow.protocol_name();
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

fn text(key: &str, value: &str) -> KeyValue {
    key_value(Attribute::text(key, value))
}

fn key_value(attribute: Attribute) -> KeyValue {
    let value = match attribute.value {
        otlp::Value::Text(text) => Value::StringValue(text),
        otlp::Value::Number(number) => Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)),
    };
    KeyValue {
        key: attribute.key,
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
