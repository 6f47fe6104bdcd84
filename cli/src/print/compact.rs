//! One line a flow, word for word as `hubble observe` prints it, with the policies added.

use std::io::{self, Write};

use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::{FlowView, Ink, Printer, Style, clean, lost_line};

pub(super) struct Compact {
    style: Style,
}

impl Compact {
    pub(super) const fn new(style: Style) -> Self {
        Self { style }
    }
}

impl Printer for Compact {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => {
                let view = FlowView::new(flow, self.style);
                let node = match self.style.node_name {
                    true => format!(" [{}]", clean(&response.node_name)),
                    false => String::new(),
                };
                let source = format!("{} {}", view.source(), view.source_identity());
                let destination = format!("{} {}", view.destination(), view.destination_identity());
                let (left, arrow, right) = match flow.is_reply {
                    None => (source, "<>", destination),
                    Some(false) => (source, "->", destination),
                    Some(true) => (destination, "<-", source),
                };
                write!(
                    out,
                    "{}{node}: {left} {arrow} {right} {} {} ({})",
                    view.time(),
                    view.kind(),
                    view.verdict(),
                    view.summary()
                )?;
                if let Some(times) = view.times() {
                    write!(out, " x{times}")?;
                }
                if let Some(reason) = view.kernel_reason() {
                    write!(out, " [kernel: {reason}]")?;
                }
                if let Some(process) = view.process() {
                    write!(out, " {process}")?;
                }
                if let Some(shadow) = view.shadow() {
                    write!(out, " [{shadow}]")?;
                }
                writeln!(out)
            }
            Some(ResponseTypes::LostEvents(lost)) => {
                let (source, rest) = lost_line(lost);
                let time = response
                    .time
                    .map(|time| format!("{} ", self.style.time.show(Some(time))));
                let words = self.style.paint.ink(Ink::Bad, "EVENTS LOST");
                writeln!(out, "{}{words}: {source} {rest}", time.unwrap_or_default())
            }
            Some(ResponseTypes::NodeStatus(_)) | None => Ok(()),
        }
    }
}
