//! JSON lines, as Hubble's exporter writes them: `hubble observe --input-file` reads them.

use std::io::{self, Write};
use std::time::SystemTime;

use flowd_proto::observer::ExportEvent;

use crate::rolling::Rolling;

/// Where lines go.
#[derive(Debug)]
pub(super) enum Lines {
    Stdout,
    File(Rolling),
}

impl Lines {
    /// Writes a batch as a whole.
    pub(super) fn write(&mut self, batch: &[ExportEvent]) -> io::Result<()> {
        let mut text = Vec::with_capacity(batch.len() * 1_024);
        for event in batch {
            serde_json::to_writer(&mut text, event)?;
            text.push(b'\n');
        }
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&text)?;
                out.flush()
            }
            Self::File(file) => file.write(&text, SystemTime::now()),
        }
    }
}
