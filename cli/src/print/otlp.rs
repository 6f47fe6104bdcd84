//! One OpenTelemetry log record a line, in the JSON of OTLP's file exporter.

use std::io::{self, Write};

use flowd_proto::flow::{Flow, Verdict};
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use serde_json::{Value, json};

use super::{FlowView, Paint, Printer, Style, compact, view};

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
                severity(flow.verdict()),
                "flow",
                attributes(flow, self.style),
            ),
            Some(ResponseTypes::LostEvents(lost)) => {
                let lost = vec![number("flow.lost", lost.num_events_lost)];
                (WARN, "flow.lost", lost)
            }
            Some(ResponseTypes::NodeStatus(_)) | None => return Ok(()),
        };
        let mut body = Vec::new();
        compact::Compact::new(self.style).print(response, &mut body)?;
        let body = String::from_utf8_lossy(&body).trim_end().to_owned();
        let time = response.time.map_or(0, |time| {
            i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
        });
        let (severity, word) = severity;
        let record = json!({
            "timeUnixNano": time.to_string(),
            "observedTimeUnixNano": time.to_string(),
            "severityNumber": severity,
            "severityText": word,
            "eventName": name,
            "body": {"stringValue": body},
            "attributes": attributes,
        });
        let line = json!({"resourceLogs": [{
            "resource": {"attributes": [
                text("service.name", "flowd"),
                text("host.name", &response.node_name),
            ]},
            "scopeLogs": [{"scope": {"name": "flowd"}, "logRecords": [record]}],
        }]});
        writeln!(out, "{line}")
    }
}

type Severity = (u8, &'static str);
const INFO: Severity = (9, "INFO");
const WARN: Severity = (13, "WARN");
const ERROR: Severity = (17, "ERROR");

const fn severity(verdict: Verdict) -> Severity {
    match verdict {
        Verdict::Dropped | Verdict::Audit => WARN,
        Verdict::Error => ERROR,
        Verdict::Unknown
        | Verdict::Forwarded
        | Verdict::Redirected
        | Verdict::Traced
        | Verdict::Translated => INFO,
    }
}

/// OpenTelemetry's own names where it has one, `flow.` in front of the rest.
fn attributes(flow: &Flow, style: Style) -> Vec<Value> {
    let view = FlowView::new(flow, style);
    let mut list = vec![
        text("flow.uuid", &flow.uuid),
        text("flow.verdict", flow.verdict().as_str_name()),
        text("flow.type", &view.kind()),
        text("flow.summary", &view.summary()),
        text("network.transport", view::protocol(flow.l4.as_ref())),
    ];
    let direction = match flow.traffic_direction() {
        flowd_proto::flow::TrafficDirection::Ingress => "receive",
        flowd_proto::flow::TrafficDirection::Egress => "transmit",
        flowd_proto::flow::TrafficDirection::Unknown => "",
    };
    list.push(text("network.io.direction", direction));
    if flow.verdict() == Verdict::Dropped {
        let reason = flow.drop_reason_desc().as_str_name();
        list.push(text("flow.drop_reason", reason));
    }
    let ip = flow.ip.clone().unwrap_or_default();
    let (source_port, destination_port) = view::ports(flow.l4.as_ref());
    for (side, address, port, endpoint) in [
        ("source", &ip.source, source_port, flow.source.as_ref()),
        (
            "destination",
            &ip.destination,
            destination_port,
            flow.destination.as_ref(),
        ),
    ] {
        list.push(text(&format!("{side}.address"), address));
        if port != 0 {
            list.push(number(&format!("{side}.port"), port.into()));
        }
        if let Some(endpoint) = endpoint {
            list.push(text(
                &format!("{side}.k8s.namespace.name"),
                &endpoint.namespace,
            ));
            list.push(text(&format!("{side}.k8s.pod.name"), &endpoint.pod_name));
            list.push(number(
                &format!("{side}.flow.identity"),
                endpoint.identity.into(),
            ));
        }
    }
    if let Some(extension) = flow.extension() {
        list.push(number("flow.packets", extension.packets_told.max(1)));
        list.push(number("flow.sent.bytes", extension.sent_bytes));
        list.push(number("flow.received.bytes", extension.received_bytes));
        list.push(text("flow.rules", &view::rules(&extension)));
    }
    list.retain(|attribute| attribute["value"]["stringValue"] != "");
    list
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}
