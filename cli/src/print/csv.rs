//! Comma-separated values (RFC 4180) under a line of names.

use std::io::{self, Write};

use flowd_proto::flow::{Endpoint, Flow, Verdict};
use flowd_proto::flowd::v1::{EventKind, FlowExtension};
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::{FlowView, Paint, Printer, Style, TimeFormat};

/// The columns. New ones are added at the end.
const COLUMNS: [&str; 30] = [
    "time",
    "node",
    "uuid",
    "verdict",
    "drop_reason",
    "type",
    "direction",
    "is_reply",
    "protocol",
    "source_ip",
    "source_port",
    "source_namespace",
    "source_pod",
    "source_identity",
    "destination_ip",
    "destination_port",
    "destination_namespace",
    "destination_pod",
    "destination_identity",
    "summary",
    "event",
    "policies",
    "rules",
    "generation",
    "packets",
    "sent_packets",
    "sent_bytes",
    "received_packets",
    "received_bytes",
    "lost",
];

pub(super) struct Csv {
    style: Style,
    started: bool,
}

impl Csv {
    pub(super) fn new(style: Style) -> Self {
        let style = Style {
            paint: Paint::NONE,
            // What a program reads says the year.
            time: match style.time {
                TimeFormat::StampMilli => TimeFormat::Rfc3339Nano,
                TimeFormat::YearMonthDay
                | TimeFormat::YearMonthDayHour
                | TimeFormat::YearMonthDayHourMinute
                | TimeFormat::Rfc3339
                | TimeFormat::Rfc3339Milli
                | TimeFormat::Rfc3339Micro
                | TimeFormat::Rfc3339Nano
                | TimeFormat::Rfc1123Z => style.time,
            },
            ..style
        };
        Self {
            style,
            started: false,
        }
    }
}

impl Printer for Csv {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        let mut cells: [String; COLUMNS.len()] = Default::default();
        match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => fill(flow, self.style, &mut cells),
            Some(ResponseTypes::LostEvents(lost)) => {
                cells[0] = self.style.time.show(response.time);
                cells[5] = "EVENTS LOST".to_owned();
                cells[29] = lost.num_events_lost.to_string();
            }
            Some(ResponseTypes::NodeStatus(_)) | None => return Ok(()),
        }
        cells[1].clone_from(&response.node_name);
        if !self.started {
            self.started = true;
            row(out, COLUMNS)?;
        }
        row(out, cells.each_ref().map(String::as_str))
    }
}

pub(super) fn row<'a>(
    out: &mut dyn Write,
    cells: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    let mut line = csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::with_capacity(512));
    line.write_record(cells.into_iter().map(|cell| harmless(cell).into_owned()))?;
    out.write_all(&line.into_inner().map_err(|error| error.into_error())?)
}

/// A cell that a spreadsheet would take for a formula is told apart by a quote.
fn harmless(cell: &str) -> std::borrow::Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return format!("'{cell}").into();
    }
    cell.into()
}

fn fill(flow: &Flow, style: Style, cells: &mut [String; COLUMNS.len()]) {
    let view = FlowView::new(flow, style);
    let extension = flow.extension().unwrap_or_default();
    let ip = flow.ip.clone().unwrap_or_default();
    let (source_port, destination_port) = flow.ports().unwrap_or_default();
    let reason = match flow.verdict() {
        Verdict::Dropped | Verdict::Audit => flow.drop_reason_desc().as_str_name().to_owned(),
        Verdict::Unknown
        | Verdict::Forwarded
        | Verdict::Error
        | Verdict::Redirected
        | Verdict::Traced
        | Verdict::Translated => String::new(),
    };
    let head = [
        view.time(),
        String::new(),
        flow.uuid.clone(),
        flow.verdict().as_str_name().to_owned(),
        reason,
        view.kind(),
        flow.traffic_direction().as_str_name().to_owned(),
        flow.is_reply.map_or_else(String::new, |is| is.to_string()),
        flow.protocol_name().to_owned(),
    ];
    let tail = [
        view.summary(),
        event(&extension),
        policies(flow, &extension),
        extension.rule_places(),
        extension.policy_generation.to_string(),
        extension.packets_told.max(1).to_string(),
        extension.sent_packets.to_string(),
        extension.sent_bytes.to_string(),
        extension.received_packets.to_string(),
        extension.received_bytes.to_string(),
    ];
    let source = end(&ip.source, source_port, flow.source.as_ref());
    let destination = end(&ip.destination, destination_port, flow.destination.as_ref());
    let all = head
        .into_iter()
        .chain(source)
        .chain(destination)
        .chain(tail);
    for (cell, value) in cells.iter_mut().zip(all) {
        *cell = value;
    }
}

fn end(ip: &str, port: u32, endpoint: Option<&Endpoint>) -> [String; 5] {
    let endpoint = endpoint.cloned().unwrap_or_default();
    [
        ip.to_owned(),
        if port == 0 {
            String::new()
        } else {
            port.to_string()
        },
        endpoint.namespace,
        endpoint.pod_name,
        endpoint.identity.to_string(),
    ]
}

fn event(extension: &FlowExtension) -> String {
    match extension.event() {
        EventKind::Unspecified => String::new(),
        kind @ (EventKind::Open
        | EventKind::Reply
        | EventKind::Verdict
        | EventKind::Update
        | EventKind::Close
        | EventKind::Drop
        | EventKind::Drops) => kind.as_str_name().to_owned(),
    }
}

/// `kind/namespace/name` of the policies behind the verdict.
fn policies(flow: &Flow, extension: &FlowExtension) -> String {
    let name = |kind: &str, namespace: &str, name: &str| match namespace {
        "" => format!("{kind}/{name}"),
        namespace => format!("{kind}/{namespace}/{name}"),
    };
    let causes = extension.default_denied_by.iter();
    let causes = causes.map(|policy| name(&policy.kind, &policy.namespace, &policy.name));
    let named = flow.allowed_by().iter().chain(flow.denied_by());
    let named = named.map(|policy| name(&policy.kind, &policy.namespace, &policy.name));
    let mut names: Vec<String> = causes.chain(named).collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}
