//! One OpenTelemetry log record a line, in the JSON of OTLP's file exporter.

use std::io::{self, Write};

use flowd_proto::flow::Flow;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use flowd_proto::otlp::{self, Attribute, Severity};
use serde_json::{Value, json};

use super::{FlowView, Paint, Printer, Style, compact};

pub(super) struct OtlpJson {
    style: Style,
}

impl OtlpJson {
    pub(super) const fn new(style: Style) -> Self {
        let style = Style {
            paint: Paint::NONE,
            ..style
        };
        Self { style }
    }
}

impl Printer for OtlpJson {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        let (severity, name, attributes) = match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => (
                Severity::of(flow.verdict()),
                "flow",
                attributes(flow, self.style),
            ),
            Some(ResponseTypes::LostEvents(lost)) => {
                let lost = vec![Attribute::number("flow.lost", lost.num_events_lost)];
                (Severity::WARN, "flow.lost", lost)
            }
            Some(ResponseTypes::NodeStatus(_)) | None => return Ok(()),
        };
        let mut body = Vec::new();
        compact::Compact::new(self.style).print(response, &mut body)?;
        let body = String::from_utf8_lossy(&body).trim_end().to_owned();
        let time = response.time.map_or(0, |time| {
            i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
        });
        let record = json!({
            "timeUnixNano": time.to_string(),
            "observedTimeUnixNano": time.to_string(),
            "severityNumber": severity.number,
            "severityText": severity.word,
            "eventName": name,
            "body": {"stringValue": body},
            "attributes": json_list(&attributes),
        });
        let line = json!({"resourceLogs": [{
            "resource": {"attributes": json_list(&[
                Attribute::text("service.name", "flowd"),
                Attribute::text("host.name", &response.node_name),
            ])},
            "scopeLogs": [{"scope": {"name": "flowd"}, "logRecords": [record]}],
        }]});
        writeln!(out, "{line}")
    }
}

/// Attributes as the JSON of OTLP has them: numbers of 64 bits are texts there.
fn json_list(attributes: &[Attribute]) -> Vec<Value> {
    let each = attributes.iter().map(|Attribute { key, value }| {
        let value = match value {
            otlp::Value::Text(text) => json!({"stringValue": text}),
            otlp::Value::Number(number) => json!({"intValue": number.to_string()}),
        };
        json!({"key": key, "value": value})
    });
    each.collect()
}

/// The attributes of a flow, and the words this command has for it.
fn attributes(flow: &Flow, style: Style) -> Vec<Attribute> {
    let view = FlowView::new(flow, style);
    let words = [("flow.type", view.kind()), ("flow.summary", view.summary())];
    let mut list = otlp::attributes(flow);
    list.extend(
        words
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| Attribute::text(key, text)),
    );
    list
}
