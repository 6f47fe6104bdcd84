//! Answers as text: one printer per output format.

mod clean;
mod compact;
pub mod connections;
mod csv;
mod dict;
mod event;
mod exporters;
mod json;
mod otlp;
mod paint;
pub mod readable;
mod rules;
pub mod server;
mod shadow;
mod status;
mod table;
mod time;
pub mod top;
mod view;
pub mod why;
pub mod words;

use std::io::{self, Write};

use flowd_proto::observer::GetFlowsResponse;

use crate::args::observe::Output;

pub use clean::clean;
pub use event::EventLine;
pub use paint::{Ink, Paint};
pub(crate) use rules::rule_path;
pub use shadow::shadow_counts;
pub(crate) use table::columns;
pub use time::TimeFormat;
pub use view::{FlowView, lost_line, node_status_line};

/// What the printers are told once.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Print the node's name.
    pub node_name: bool,
    /// Print the policies behind a verdict.
    pub policy_names: bool,
    /// How to print times.
    pub time: TimeFormat,
    /// Print numbers instead of reserved names.
    pub numeric: bool,
    /// Print names instead of addresses.
    pub names: bool,
    /// Print the process behind a flow.
    pub process: bool,
    /// Colours.
    pub paint: Paint,
}

/// Prints flows and losses in one format. Node states are not its affair: they go to stderr.
pub trait Printer {
    /// Prints one answer.
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()>;

    /// Prints what was held back.
    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// The printer of a format.
pub fn printer(output: Output, style: Style) -> Box<dyn Printer> {
    match output {
        Output::Compact => Box::new(compact::Compact::new(style)),
        Output::Dict => Box::new(dict::Dict::new(style)),
        Output::Json => Box::new(json::Json::new(legacy())),
        Output::Jsonpb => Box::new(json::Json::new(false)),
        Output::Csv => Box::new(csv::Csv::new(style)),
        Output::OtlpJson => Box::new(otlp::OtlpJson::new(style)),
        Output::Table => Box::new(table::Table::new(style)),
    }
}

/// Whether the environment asks for what scripts older than Hubble 0.11 read.
fn legacy() -> bool {
    std::env::var("HUBBLE_COMPAT").is_ok_and(|value| value == "legacy-json-output")
}

#[cfg(test)]
mod tests;
