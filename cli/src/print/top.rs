//! The largest groups as aligned columns and as comma-separated values.

use std::io::{self, Write};

use flowd_proto::Timestamp;
use flowd_proto::flowd::v1::{GroupKey, GroupValue, Perspective, TopResponse, Traffic};

use super::{clean, columns, csv, readable};
use crate::args::aggregates::key_name;

/// For people: `heading` is the line above.
pub fn table(answer: &TopResponse, numeric: bool, heading: &str) -> io::Result<Vec<u8>> {
    let mut rows = columns();
    let keys: Vec<GroupKey> = answer.group_by().collect();
    let names: Vec<String> = keys
        .iter()
        .map(|key| key_name(*key).to_ascii_uppercase())
        .collect();
    writeln!(
        rows,
        "{}\tBYTES\tPER SECOND\tSENT\tRECEIVED\tPACKETS\tFLOWS\tDROPS",
        names.join("\t")
    )?;
    let seconds = seconds(answer);
    for row in &answer.rows {
        let values: Vec<String> = row
            .group
            .iter()
            .map(|value| shown(value, numeric))
            .collect();
        let traffic = row.traffic.unwrap_or_default();
        line(&mut rows, &values, &traffic, seconds)?;
    }
    let blank = |name: String| {
        let mut values = vec![String::new(); keys.len().max(1)];
        values[0] = name;
        values
    };
    if answer.other_groups > 0 {
        let name = format!("{} others", readable::number(answer.other_groups));
        let other = answer.other.unwrap_or_default();
        line(&mut rows, &blank(name), &other, seconds)?;
    }
    let total = answer.total.unwrap_or_default();
    line(&mut rows, &blank("total".to_owned()), &total, seconds)?;
    let rows = rows.into_inner();
    let rows = rows.map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = heading.as_bytes().to_vec();
    text.extend_from_slice(&rows);
    for note in notes(answer) {
        writeln!(text, "note: {note}")?;
    }
    Ok(text)
}

fn line(
    rows: &mut impl Write,
    values: &[String],
    traffic: &Traffic,
    seconds: f64,
) -> io::Result<()> {
    let bytes = traffic.sent_bytes.saturating_add(traffic.received_bytes);
    let packets = traffic
        .sent_packets
        .saturating_add(traffic.received_packets);
    writeln!(
        rows,
        "{}\t{}\t{}/s\t{}\t{}\t{}\t{}\t{}",
        values.join("\t"),
        readable::bytes(bytes),
        readable::bytes((bytes as f64 / seconds) as u64),
        readable::bytes(traffic.sent_bytes),
        readable::bytes(traffic.received_bytes),
        readable::number(packets),
        readable::number(traffic.flows),
        readable::number(traffic.dropped_packets),
    )
}

/// A value as it is, with what is known of an identity or a program behind it.
fn shown(value: &GroupValue, numeric: bool) -> String {
    let text = match value.value.as_str() {
        "" => "-".into(),
        text => clean(text),
    };
    if value.detail.is_empty() || numeric {
        return text.into_owned();
    }
    format!("{text} ({})", clean(&value.detail))
}

/// Length of the window; not 0.
fn seconds(answer: &TopResponse) -> f64 {
    let of = |time: Option<Timestamp>| {
        time.map_or(0.0, |time| {
            time.seconds as f64 + f64::from(time.nanos) / 1e9
        })
    };
    (of(answer.to) - of(answer.from)).max(0.001)
}

/// What to know about the numbers.
pub fn notes(answer: &TopResponse) -> Vec<String> {
    let mut notes = Vec::new();
    if answer.perspective() == Perspective::FromWorkload {
        notes.push("sent and received are those of each workload".to_owned());
    } else if answer.at_each_end {
        notes.push("a connection between two workloads of this node counts at each end".to_owned());
    }
    let coverage = answer.coverage.clone().unwrap_or_default();
    if coverage.begins_too_late {
        notes.push(
            "older flows of the window are no longer in memory; what is left is counted".to_owned(),
        );
    }
    if coverage.lost > 0 {
        let lost = readable::number(coverage.lost);
        notes.push(format!("{lost} flows went before they could be counted"));
    }
    if answer.unknown_beginnings > 0 {
        notes.push(format!(
            "{} older connections are counted from their first flow in the window on",
            readable::number(answer.unknown_beginnings)
        ));
    }
    if answer.shed_groups > 0 {
        notes.push(format!(
            "too many groups: {} small ones went into others; a row lacks at most {} of what it is \
             sorted by",
            readable::number(answer.shed_groups),
            readable::number(answer.rows_lack_at_most)
        ));
    }
    notes
}

/// The columns of the comma-separated values behind those of the keys. New ones are added at the end.
const COLUMNS: [&str; 7] = [
    "flows",
    "sent_packets",
    "sent_bytes",
    "received_packets",
    "received_bytes",
    "dropped_packets",
    "dropped_bytes",
];

/// For spreadsheets: the groups, then `other` and `total`, told apart by the first column.
pub fn csv(answer: &TopResponse) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let keys: Vec<String> = answer
        .group_by()
        .map(|key| key_name(key).replace('-', "_"))
        .collect();
    let names = std::iter::once("row").chain(keys.iter().map(String::as_str));
    csv::row(&mut out, names.chain(COLUMNS))?;
    for row in &answer.rows {
        let values = row.group.iter().map(|value| value.value.clone());
        cells(&mut out, "group", values, row.traffic.unwrap_or_default())?;
    }
    for (name, traffic) in [("other", answer.other), ("total", answer.total)] {
        let blank = keys.iter().map(|_| String::new());
        cells(&mut out, name, blank, traffic.unwrap_or_default())?;
    }
    Ok(out)
}

fn cells(
    out: &mut Vec<u8>,
    row: &str,
    values: impl Iterator<Item = String>,
    traffic: Traffic,
) -> io::Result<()> {
    let numbers = [
        traffic.flows,
        traffic.sent_packets,
        traffic.sent_bytes,
        traffic.received_packets,
        traffic.received_bytes,
        traffic.dropped_packets,
        traffic.dropped_bytes,
    ];
    let numbers = numbers.iter().map(u64::to_string);
    let cells: Vec<String> = std::iter::once(row.to_owned())
        .chain(values)
        .chain(numbers)
        .collect();
    csv::row(out, cells.iter().map(String::as_str))
}
