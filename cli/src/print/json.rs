//! One answer a line, as protobuf JSON with the names of the `.proto` files.

use std::io::{self, Write};

use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::Printer;

pub(super) struct Json {
    bare: bool,
}

impl Json {
    /// Whole answers, or only the flow of each, as clients before Hubble 0.11 printed it.
    pub(super) const fn new(bare: bool) -> Self {
        Self { bare }
    }
}

impl Printer for Json {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        match &response.response_types {
            Some(ResponseTypes::Flow(flow)) if self.bare => {
                let mut line = serde_json::to_vec(flow).map_err(unknown)?;
                line.push(b'\n');
                out.write_all(&line)
            }
            Some(ResponseTypes::LostEvents(_)) if self.bare => Ok(()),
            Some(ResponseTypes::Flow(_) | ResponseTypes::LostEvents(_)) => {
                // Whole lines only: a value that cannot be printed must not leave half of one.
                let mut line = serde_json::to_vec(response).map_err(unknown)?;
                line.push(b'\n');
                out.write_all(&line)
            }
            Some(ResponseTypes::NodeStatus(_)) | None => Ok(()),
        }
    }
}

/// The one way printing can fail in memory: an enum number that has no name here.
fn unknown(error: serde_json::Error) -> io::Error {
    io::Error::other(format!(
        "{error}: the server is newer than this flowctl; update it, or leave the field out with \
         --field-mask"
    ))
}
