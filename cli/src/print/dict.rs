//! Key and value on each line.

use std::io::{self, Write};

use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::{FlowView, Printer, Style, clean, lost_line};

const SEPARATOR: &str = "------------";

pub(super) struct Dict {
    style: Style,
    started: bool,
}

impl Dict {
    pub(super) const fn new(style: Style) -> Self {
        Self {
            style,
            started: false,
        }
    }
}

impl Printer for Dict {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        let mut shadow = None;
        let mut kernel_reason = None;
        let (time, source, destination, kind, verdict, summary) = match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => {
                let view = FlowView::new(flow, self.style);
                shadow = view.shadow();
                kernel_reason = view.kernel_reason();
                let times = view
                    .times()
                    .map(|times| format!(" x{times}"))
                    .unwrap_or_default();
                (
                    view.time(),
                    view.source(),
                    Some(view.destination()),
                    view.kind(),
                    view.verdict(),
                    format!("{}{times}", view.summary()),
                )
            }
            Some(ResponseTypes::LostEvents(lost)) => {
                let (source, rest) = lost_line(lost);
                let time = self.style.time.show(response.time);
                (
                    time,
                    source.to_owned(),
                    None,
                    "EVENTS LOST".to_owned(),
                    String::new(),
                    rest,
                )
            }
            Some(ResponseTypes::NodeStatus(_)) | None => return Ok(()),
        };
        if self.started {
            writeln!(out, "{SEPARATOR}")?;
        }
        self.started = true;
        writeln!(out, "  TIMESTAMP: {time}")?;
        if self.style.node_name {
            writeln!(out, "       NODE: {}", clean(&response.node_name))?;
        }
        writeln!(out, "     SOURCE: {source}")?;
        if let Some(destination) = destination {
            writeln!(out, "DESTINATION: {destination}")?;
        }
        writeln!(out, "       TYPE: {kind}")?;
        writeln!(out, "    VERDICT: {verdict}")?;
        if let Some(reason) = kernel_reason {
            writeln!(out, "     KERNEL: {reason}")?;
        }
        if let Some(shadow) = shadow {
            writeln!(
                out,
                "     SHADOW: {}",
                shadow.trim_start_matches("shadow: ")
            )?;
        }
        writeln!(out, "    SUMMARY: {summary}")
    }
}
