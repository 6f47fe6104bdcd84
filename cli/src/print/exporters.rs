//! Exporters and the doors in the status.

use std::io::{self, Write};

use flowd_proto::flowd::v1::{ExporterStatus, StatusResponse};

use super::{Ink, Paint, clean, readable};

/// What exports, how far it is, and what was turned away; nothing where there is nothing.
pub(super) fn outside(status: &StatusResponse, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    if !status.exporters.is_empty() {
        writeln!(text, "\nExporters:")?;
    }
    for exporter in &status.exporters {
        one(exporter, paint, text)?;
    }
    if let Some(audit) = &status.audit {
        let written = readable::number(audit.written);
        write!(text, "\nAudit log: {written} requests on record")?;
        if audit.lost > 0 {
            let lost = format!("{} lost", readable::number(audit.lost));
            write!(text, ", {}", paint.ink(Ink::Bad, &lost))?;
        }
        writeln!(text)?;
    }
    if !status.refused.is_empty() {
        writeln!(text, "\nRefused at the doors:")?;
    }
    for refused in &status.refused {
        let count = readable::number(refused.count);
        write!(text, "  {}: {count}", clean(&refused.reason))?;
        if !refused.client.is_empty() {
            write!(text, "; the last was {}", clean(&refused.client))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn one(exporter: &ExporterStatus, paint: Paint, text: &mut Vec<u8>) -> io::Result<()> {
    write!(
        text,
        "  {} to {}: {} exported, {} behind",
        clean(&exporter.name),
        clean(&exporter.target),
        readable::number(exporter.exported),
        readable::number(exporter.lag)
    )?;
    if exporter.lost > 0 {
        let lost = format!(
            "{} lost in {} gaps",
            readable::number(exporter.lost),
            readable::number(exporter.gaps)
        );
        write!(text, ", {}", paint.ink(Ink::Bad, &lost))?;
    }
    if exporter.rejected > 0 {
        write!(text, ", {} not wanted", readable::number(exporter.rejected))?;
    }
    writeln!(text)?;
    if !exporter.problem.is_empty() {
        let problem = clean(&exporter.problem);
        writeln!(text, "    waits: {}", paint.ink(Ink::Bad, problem))?;
    }
    Ok(())
}
