//! `flowctl policy diff`: which live connections and recent flows a change would give another verdict.

use std::fmt::Write as _;
use std::io::Write as _;

use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::{DiffChange, DiffReason, DiffRequest, DiffResponse, DiffVerdict};

use super::live;
use crate::args::{DiffArgs, ServerArgs, TestOutput};
use crate::commands::{print, print_json};
use crate::failure::Failure;
use crate::print::{clean, columns};

pub(super) async fn run(server: &ServerArgs, args: &DiffArgs) -> Result<(), Failure> {
    if args.files.is_empty() && args.delete.is_empty() {
        return Err(Failure::Usage(
            "name what would change: files with -f, or policies with --delete".to_owned(),
        ));
    }
    let since = args.since.map(|since| since.as_secs().max(1));
    let request = DiffRequest {
        yaml: live::texts(&args.files)?,
        delete: args.delete.clone(),
        since_seconds: since.map_or(0, |since| u32::try_from(since).unwrap_or(u32::MAX)),
    };
    // Not a single answer's deadline: both sets of policies are compiled for it.
    let answer = live::client(server).await?.diff(request).await?;
    let answer = answer.into_inner();
    match args.output {
        TestOutput::Json => print_json(&answer)?,
        TestOutput::Table => print(&table(&answer)?)?,
    }
    if answer.changes.is_empty() {
        Ok(())
    } else {
        Err(Failure::Unhealthy)
    }
}

fn table(answer: &DiffResponse) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    if !answer.changes.is_empty() {
        let mut rows = columns();
        writeln!(
            rows,
            "CHANGE\tSOURCE\tDESTINATION\tPORT\tEND\tLIVE\tDENIED\tFLOWS\tNOW BY\tTHEN BY"
        )?;
        for change in &answer.changes {
            row(&mut rows, change)?;
        }
        let aligned = rows.into_inner();
        text = aligned.map_err(|error| Failure::Runtime(format!("cannot align: {error}")))?;
    }
    text.extend_from_slice(summary(answer).as_bytes());
    Ok(text)
}

fn row(rows: &mut impl std::io::Write, change: &DiffChange) -> Result<(), Failure> {
    let what = match (&change.after, change.mode.as_str()) {
        (Some(after), "enforce") if after.passes => "opened",
        (_, "enforce") => "cut",
        (Some(after), _) if after.passes => "opened (not enforced)",
        _ => "denied (not enforced)",
    };
    let end = match change.direction() {
        TrafficDirection::Egress => "egress",
        TrafficDirection::Ingress => "ingress",
        TrafficDirection::Unknown => "?",
    };
    writeln!(
        rows,
        "{what}\t{}\t{}\t{}\t{end}\t{}\t{}\t{}\t{}\t{}",
        clean(&change.source),
        clean(&change.destination),
        port(change),
        change.connections,
        change.denied,
        change.flows,
        by(change.before.as_ref()),
        by(change.after.as_ref()),
    )?;
    Ok(())
}

fn port(change: &DiffChange) -> String {
    let name = match change.protocol {
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        58 => "ICMPv6",
        132 => "SCTP",
        other => return format!("protocol {other}"),
    };
    format!("{name}/{}", change.port)
}

fn by(verdict: Option<&DiffVerdict>) -> String {
    let Some(verdict) = verdict else {
        return "?".to_owned();
    };
    let named = clean(&verdict.by.join(", ")).into_owned();
    match verdict.reason() {
        DiffReason::Allowed => named,
        DiffReason::Denied => format!("denied by {named}"),
        DiffReason::DefaultDenied => format!("default deny by {named}"),
        DiffReason::AllowedByDefault => "no default deny".to_owned(),
        DiffReason::Unenforced => "no policy".to_owned(),
        DiffReason::Unknown => "?".to_owned(),
    }
}

fn summary(answer: &DiffResponse) -> String {
    let mut text = String::new();
    let changes = answer.changes.len() as u64 + answer.unlisted;
    let covered = format!(
        "{} live connections, {} denied flows in the kernel's tables and {} flows of the log",
        answer.connections, answer.denied, answer.flows
    );
    let back = answer
        .oldest_flow
        .as_ref()
        .map_or_else(String::new, |time| {
            jiff::Timestamp::try_from(*time).map_or_else(
                |_| String::new(),
                |time| format!(" back to {}", time.strftime("%F %H:%M:%S UTC")),
            )
        });
    if changes == 0 {
        let _ = writeln!(text, "no verdict would change: {covered}{back}");
    } else {
        let _ = writeln!(text, "{changes} would change, of {covered}{back}");
    }
    if answer.unlisted > 0 {
        let _ = writeln!(text, "{} more are not listed", answer.unlisted);
    }
    if answer.unknown > 0 {
        let _ = writeln!(
            text,
            "{} could not be judged: their workload is gone, or what they ask is not known",
            answer.unknown
        );
    }
    for note in &answer.notes {
        let _ = writeln!(text, "note: {}", clean(note));
    }
    text
}
