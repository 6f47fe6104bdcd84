//! The state of the service for people.

use std::io::{self, Write};
use std::time::Duration;

use flowd_proto::flowd::v1::{
    EndpointStatus, KernelDrops, Ledger, PolicyStatus, SourceError, StatusResponse,
};
use tabwriter::TabWriter;

use super::{Ink, Paint, TimeFormat, clean, columns, exporters, readable, shadow_counts};

/// The state of flowd.
pub(super) fn flowd(status: &StatusResponse, paint: Paint) -> io::Result<String> {
    let mut text = Vec::new();
    let up = status
        .uptime
        .and_then(|uptime| Duration::try_from(uptime).ok());
    writeln!(
        text,
        "flowd {} on {}, up {}: {}",
        clean(&status.version),
        clean(&status.node_name),
        readable::duration(up.unwrap_or_default()),
        match status.healthy {
            true => paint.ink(Ink::Good, "healthy"),
            false => paint.ink(Ink::Bad, "NOT HEALTHY"),
        }
    )?;
    for problem in &status.problems {
        writeln!(text, "  {}", paint.ink(Ink::Bad, clean(problem)))?;
    }
    endpoints(&status.endpoints, paint, &mut text)?;
    for kept in status.host.iter().flat_map(|host| &host.kept) {
        let (peer, own) = (clean(&kept.peer), clean(&kept.own));
        writeln!(text, "  {peer} to {own} is kept whatever the policies say")?;
    }
    policies(&status.policies, &status.source_errors, paint, &mut text)?;
    if let Some(ledger) = &status.ledger {
        self::ledger(ledger, paint, &mut text)?;
    }
    if let Some(drops) = &status.kernel_drops {
        kernel_drops(drops, paint, &mut text)?;
    }
    let connections = readable::number(status.connections);
    let denied = readable::number(status.denied);
    writeln!(
        text,
        "\nTracked: {connections} connections, {denied} denied flows"
    )?;
    exporters::outside(status, paint, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn endpoints(list: &[EndpointStatus], paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    let protected = list
        .iter()
        .filter(|endpoint| endpoint.state == "protected")
        .count();
    let ink = if protected == list.len() {
        Ink::Good
    } else {
        Ink::Bad
    };
    let count = paint.ink(ink, format!("{protected} of {} protected", list.len()));
    writeln!(text, "\n{} {count}", paint.ink(Ink::Heading, "Endpoints:"))?;
    if list.is_empty() {
        return Ok(());
    }
    let mut rows = columns();
    writeln!(
        rows,
        "  ENDPOINT\tIDENTITY\tINTERFACE\tSTATE\tMODE\tENFORCED\tGENERATION\tPOLICIES"
    )?;
    for endpoint in list {
        let generation = match endpoint.enforced_generation == endpoint.desired_generation {
            true => endpoint.enforced_generation.to_string(),
            false => format!(
                "{}→{}",
                endpoint.enforced_generation, endpoint.desired_generation
            ),
        };
        writeln!(
            rows,
            "  {}\t{}\t{}\t{}\t{}\t{}\t{generation}\t{}",
            clean(&full_name(&endpoint.namespace, &endpoint.name)),
            endpoint.identity,
            clean(&endpoint.interface),
            clean(&endpoint.state),
            mode(endpoint),
            enforced(endpoint),
            or_none(&endpoint.policies.join(", ")),
        )?;
    }
    append(rows, text)?;
    for endpoint in list.iter().filter(|endpoint| !endpoint.detail.is_empty()) {
        let name = full_name(&endpoint.namespace, &endpoint.name);
        let line = format!("{}: {}", clean(&name), clean(&endpoint.detail));
        writeln!(text, "  {}", paint.ink(Ink::Bad, line))?;
    }
    Ok(())
}

/// The mode, and who set it where somebody did.
fn mode(endpoint: &EndpointStatus) -> String {
    let mode = clean(&endpoint.mode);
    match endpoint.mode_source.as_str() {
        "" | "default" | "endpoint file" => mode.into_owned(),
        source => format!("{mode} ({})", clean(source)),
    }
}

const fn enforced(endpoint: &EndpointStatus) -> &'static str {
    match (endpoint.ingress_enforced, endpoint.egress_enforced) {
        (true, true) => "ingress, egress",
        (true, false) => "ingress",
        (false, true) => "egress",
        (false, false) => "-",
    }
}

fn policies(
    list: &[PolicyStatus],
    errors: &[SourceError],
    paint: Paint,
    text: &mut Vec<u8>,
) -> io::Result<()> {
    let valid = list.iter().filter(|policy| policy.valid).count();
    let ink = if valid == list.len() && errors.is_empty() {
        Ink::Good
    } else {
        Ink::Bad
    };
    let shadow = list.iter().filter(|policy| policy.shadow).count();
    let enforced = list.iter().filter(|policy| policy.valid && !policy.shadow);
    let of = list.len() - shadow;
    let mut said = format!("{} of {of} enforced", enforced.count());
    if shadow > 0 {
        said += &format!(", {shadow} shadow");
    }
    let count = paint.ink(ink, said);
    writeln!(text, "\n{} {count}", paint.ink(Ink::Heading, "Policies:"))?;
    if !list.is_empty() {
        let mut rows = columns();
        writeln!(
            rows,
            "  POLICY\tKIND\tENDPOINTS\tSTATE\tHITS\tLAST HIT\tWRITTEN IN"
        )?;
        for policy in list {
            writeln!(
                rows,
                "  {}\t{}\t{}\t{}\t{}\t{}\t{}",
                clean(&full_name(&policy.namespace, &policy.name)),
                clean(&policy.kind),
                policy.endpoints_selected,
                match (policy.valid, policy.shadow) {
                    (true, true) => "shadow",
                    (true, false) => "enforced",
                    (false, _) => "INVALID",
                },
                readable::number(policy.hits),
                policy.last_hit.map_or_else(
                    || "never".to_owned(),
                    |time| TimeFormat::StampMilli.show(Some(time))
                ),
                place(&policy.file, policy.line),
            )?;
        }
        append(rows, text)?;
    }
    for policy in list.iter().filter(|policy| policy.shadow) {
        let name = full_name(&policy.namespace, &policy.name);
        let said = shadow_counts(policy.shadow_counts.as_ref());
        writeln!(text, "  shadow {}: {said}", clean(&name))?;
    }
    for policy in list {
        for problem in &policy.problems {
            let ink = if policy.valid { Ink::Notice } else { Ink::Bad };
            let line = format!("{}: {}", place(&policy.file, policy.line), clean(problem));
            writeln!(text, "  {}", paint.ink(ink, line))?;
        }
    }
    for error in errors {
        let line = format!(
            "{}: {}",
            place(&error.file, error.line),
            clean(&error.message)
        );
        writeln!(text, "  {}", paint.ink(Ink::Bad, line))?;
    }
    Ok(())
}

fn ledger(ledger: &Ledger, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    let balance = match ledger.balanced {
        true => paint.ink(Ink::Good, "balanced"),
        false => paint.ink(Ink::Bad, "NOT BALANCED"),
    };
    let heading = paint.ink(Ink::Heading, "Ledger:");
    writeln!(
        text,
        "\n{heading} {balance} (packets = told + coalesced + deferred)"
    )?;
    let mut rows = columns();
    writeln!(
        rows,
        "  VERDICT\tREASON\tDIRECTION\tPACKETS\tBYTES\tTOLD\tCOALESCED\tDEFERRED\tRECOVERED"
    )?;
    for row in ledger.rows.iter().filter(|row| row.packets > 0) {
        let [packets, told, coalesced, deferred, recovered] = [
            row.packets,
            row.told,
            row.coalesced,
            row.deferred,
            row.recovered,
        ]
        .map(readable::number);
        writeln!(
            rows,
            "  {}\t{}\t{}\t{packets}\t{}\t{told}\t{coalesced}\t{deferred}\t{recovered}",
            row.verdict().as_str_name(),
            clean(&row.reason),
            row.direction().as_str_name().to_lowercase(),
            readable::bytes(row.bytes),
        )?;
    }
    append(rows, text)?;
    let [pending, lost, events, drops, undecodable] = [
        ledger.deferred_pending,
        ledger.lost,
        ledger.events_received,
        ledger.drops_received,
        ledger.undecodable,
    ]
    .map(readable::number);
    writeln!(
        text,
        "  Received: {events} events, {drops} drops; still to tell: {pending}"
    )?;
    let shed = ledger.losses.iter().filter(|loss| loss.count > 0);
    let shed: Vec<String> = shed
        .map(|loss| format!("{} {}", clean(&loss.source), readable::number(loss.count)))
        .collect();
    let whole = ledger.lost == 0 && ledger.undecodable == 0 && shed.is_empty();
    let losses = format!("lost before told: {lost}; undecodable: {undecodable}");
    let losses = match shed.is_empty() {
        true => losses,
        false => format!("{losses}; shed: {}", shed.join(", ")),
    };
    writeln!(
        text,
        "  {}",
        paint.ink(if whole { Ink::Good } else { Ink::Bad }, losses)
    )?;
    let held = readable::share(ledger.log_flows, ledger.log_capacity);
    let (first, next) = (ledger.log_first_seq, ledger.log_next_seq);
    writeln!(
        text,
        "  Flow log: {held}, from flow {first} to before {next}"
    )
}

/// What the kernel dropped by itself.
fn kernel_drops(drops: &KernelDrops, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    let heading = paint.ink(Ink::Heading, "Kernel drops:");
    if !drops.watched {
        let why = paint.ink(
            Ink::Notice,
            format!("not watched: {}", clean(&drops.why_not)),
        );
        return writeln!(text, "\n{heading} {why}");
    }
    let [flows, ours, no_loss, elsewhere, missed] = [
        drops.flows,
        drops.ours,
        drops.no_loss,
        drops.elsewhere,
        drops.missed,
    ]
    .map(readable::number);
    writeln!(text, "\n{heading} watched; {flows} flows lose packets")?;
    let mut rows = columns();
    for one in &drops.reasons {
        let packets = readable::number(one.packets);
        writeln!(rows, "  {}\t{packets}", clean(&one.reason))?;
    }
    append(rows, text)?;
    writeln!(
        text,
        "  Others: {ours} by verdicts of flowd, {no_loss} without a loss, {elsewhere} of nobody \
         guarded; not looked at: {missed}"
    )
}

fn append(rows: TabWriter<Vec<u8>>, text: &mut Vec<u8>) -> io::Result<()> {
    let rows = rows
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    text.extend(rows);
    Ok(())
}

fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

fn place(file: &str, line: u32) -> String {
    if line == 0 {
        clean(file).into_owned()
    } else {
        format!("{}:{line}", clean(file))
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        clean(text).into_owned()
    }
}
