//! Aligned columns. Widths are known only at the end, so nothing is printed before.

use std::io::{self, Write};

use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use tabwriter::TabWriter;

use super::{FlowView, Paint, Printer, Style, clean, lost_line};

pub(super) struct Table {
    style: Style,
    rows: TabWriter<Vec<u8>>,
    started: bool,
}

impl Table {
    pub(super) fn new(style: Style) -> Self {
        // Colours would count as width.
        let style = Style {
            paint: Paint::NONE,
            ..style
        };
        Self {
            style,
            rows: columns(),
            started: false,
        }
    }

    fn row(&mut self, node: &str, cells: [&str; 6]) -> io::Result<()> {
        let [time, rest @ ..] = cells;
        write!(self.rows, "{time}")?;
        if self.style.node_name {
            write!(self.rows, "\t{node}")?;
        }
        for cell in rest {
            write!(self.rows, "\t{cell}")?;
        }
        writeln!(self.rows)
    }
}

/// Columns with the spacing of Hubble's tables.
pub(crate) fn columns() -> TabWriter<Vec<u8>> {
    TabWriter::new(Vec::new()).minwidth(2).padding(3)
}

impl Printer for Table {
    fn print(&mut self, response: &GetFlowsResponse, _out: &mut dyn Write) -> io::Result<()> {
        if !self.started {
            self.started = true;
            let header = [
                "TIMESTAMP",
                "SOURCE",
                "DESTINATION",
                "TYPE",
                "VERDICT",
                "SUMMARY",
            ];
            self.row("NODE", header)?;
        }
        let node = clean(&response.node_name);
        match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => {
                let view = FlowView::new(flow, self.style);
                let times = view
                    .times()
                    .map(|times| format!(" x{times}"))
                    .unwrap_or_default();
                let cells = [
                    &*view.time(),
                    &view.source(),
                    &view.destination(),
                    &view.kind(),
                    &view.verdict(),
                    &format!("{}{times}", view.summary()),
                ];
                self.row(&node, cells)
            }
            Some(ResponseTypes::LostEvents(lost)) => {
                let (source, rest) = lost_line(lost);
                let time = self.style.time.show(response.time);
                self.row(&node, [&time, source, "", "EVENTS LOST", "", &rest])
            }
            Some(ResponseTypes::NodeStatus(_)) | None => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let rows = std::mem::replace(&mut self.rows, columns());
        let rows = rows
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))?;
        out.write_all(&rows)
    }
}
