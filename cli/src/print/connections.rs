//! Connections as aligned columns and as comma-separated values.

use std::io::{self, Write};
use std::time::Duration;

use flowd_proto::flow::Flow;
use flowd_proto::flowd::v1::{
    Connection, ConnectionState, ConnectionsResponse, FlowExtension, Process,
};

use super::{FlowView, Paint, Style, TimeFormat, clean, columns, csv, readable, rules};

/// The style of flows in a table: colours would count as width.
pub(super) const fn style(numeric: bool) -> Style {
    Style {
        node_name: false,
        policy_names: true,
        time: TimeFormat::Rfc3339Milli,
        numeric,
        names: !numeric,
        process: true,
        paint: Paint::NONE,
    }
}

/// For people.
pub fn table(answer: &ConnectionsResponse, numeric: bool) -> io::Result<Vec<u8>> {
    let mut rows = columns();
    if !answer.connections.is_empty() {
        writeln!(
            rows,
            "STATE\tAGE\tIDLE\tSOURCE\tDESTINATION\tPROTO\tSENT\tRECEIVED\tPACKETS\tRTT\tPROCESS\tVERDICT\tBY"
        )?;
    }
    for connection in &answer.connections {
        let flow = connection.flow.clone().unwrap_or_default();
        row(&mut rows, answer, connection, &flow, numeric)?;
    }
    let rows = rows.into_inner();
    let mut text = rows.map_err(|error| io::Error::other(error.to_string()))?;
    text.extend_from_slice(summary(answer).as_bytes());
    Ok(text)
}

fn row(
    rows: &mut impl Write,
    answer: &ConnectionsResponse,
    connection: &Connection,
    flow: &Flow,
    numeric: bool,
) -> io::Result<()> {
    let ours = flow.extension().unwrap_or_default();
    let view = FlowView::new(flow, style(numeric));
    let age = ours.duration.as_ref().map_or(Duration::ZERO, |age| {
        Duration::from_secs(u64::try_from(age.seconds).unwrap_or(0))
    });
    writeln!(
        rows,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        state(&ours, connection.answered),
        readable::duration(age),
        readable::duration(idle(answer, connection)),
        view.source(),
        view.destination(),
        flow.protocol_name(),
        readable::bytes(ours.sent_bytes),
        readable::bytes(ours.received_bytes),
        readable::number(ours.sent_packets.saturating_add(ours.received_packets)),
        rtt(&ours),
        process(ours.process.as_ref()),
        flow.verdict().as_str_name(),
        clean(&rules::decided(&ours)),
    )
}

fn state(ours: &FlowExtension, answered: bool) -> &'static str {
    match ours.connection_state() {
        ConnectionState::New if !answered => "unanswered",
        ConnectionState::New => "new",
        ConnectionState::Established => "open",
        ConnectionState::Closing => "closing",
        ConnectionState::Closed => "closed",
        ConnectionState::Reset => "reset",
        ConnectionState::TimedOut => "timed out",
        // A denied flow has no state.
        ConnectionState::Unspecified => "denied",
    }
}

fn idle(answer: &ConnectionsResponse, connection: &Connection) -> Duration {
    let nanos = |time: Option<flowd_proto::Timestamp>| {
        time.map_or(0, |time| {
            i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
        })
    };
    let passed = nanos(answer.time) - nanos(connection.last_packet);
    Duration::from_nanos(u64::try_from(passed).unwrap_or(0))
}

fn rtt(ours: &FlowExtension) -> String {
    match ours.rtt_us.max(ours.handshake_rtt_us) {
        0 => "-".to_owned(),
        rtt if rtt < 1_000 => format!("{rtt}us"),
        rtt => format!("{:.1}ms", f64::from(rtt) / 1_000.0),
    }
}

fn process(process: Option<&Process>) -> String {
    process.map_or_else(
        || "-".to_owned(),
        |process| format!("{}[{}]", clean(&process.name), process.pid),
    )
}

fn summary(answer: &ConnectionsResponse) -> String {
    let shown = answer.connections.len() as u64;
    let matched = readable::number(answer.matched);
    let all = readable::number(answer.looked_at);
    if answer.truncated {
        let shown = readable::number(shown);
        return format!(
            "the first {shown} of {matched} that match, of {all} in the table; --number shows more\n"
        );
    }
    format!("{matched} of {all} in the table\n")
}

/// The columns of the comma-separated values. New ones are added at the end.
const COLUMNS: [&str; 24] = [
    "created",
    "last_packet",
    "state",
    "direction",
    "protocol",
    "source_ip",
    "source_port",
    "source_namespace",
    "source_pod",
    "destination_ip",
    "destination_port",
    "destination_namespace",
    "destination_pod",
    "verdict",
    "reason",
    "rules",
    "sent_packets",
    "sent_bytes",
    "received_packets",
    "received_bytes",
    "rtt_us",
    "pid",
    "process",
    "executable",
];

/// For spreadsheets.
pub fn csv(answer: &ConnectionsResponse) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    csv::row(&mut out, COLUMNS)?;
    for connection in &answer.connections {
        let cells = cells(connection);
        csv::row(&mut out, cells.iter().map(String::as_str))?;
    }
    Ok(out)
}

fn cells(connection: &Connection) -> [String; COLUMNS.len()] {
    let flow = connection.flow.clone().unwrap_or_default();
    let ours = flow.extension().unwrap_or_default();
    let process = ours.process.clone().unwrap_or_default();
    let (source_port, destination_port) = flow.ports().unwrap_or_default();
    let ip = flow.ip.clone().unwrap_or_default();
    let ends = [&flow.source, &flow.destination].map(|end| end.clone().unwrap_or_default());
    let [source, destination] = ends;
    let time = TimeFormat::Rfc3339Nano;
    let pid = match process.pid {
        0 => String::new(),
        pid => pid.to_string(),
    };
    [
        time.show(ours.created),
        time.show(connection.last_packet),
        state(&ours, connection.answered).to_owned(),
        flow.traffic_direction().as_str_name().to_owned(),
        flow.protocol_name().to_owned(),
        ip.source,
        source_port.to_string(),
        source.namespace,
        source.pod_name,
        ip.destination,
        destination_port.to_string(),
        destination.namespace,
        destination.pod_name,
        flow.verdict().as_str_name().to_owned(),
        ours.reason.clone(),
        rules::decided(&ours),
        ours.sent_packets.to_string(),
        ours.sent_bytes.to_string(),
        ours.received_packets.to_string(),
        ours.received_bytes.to_string(),
        ours.rtt_us.max(ours.handshake_rtt_us).to_string(),
        pid,
        process.name,
        process.executable,
    ]
}
