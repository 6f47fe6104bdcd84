//! One answer a line, as protobuf JSON with the names of the `.proto` files.

use std::io::{self, Write};

use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::Printer;

pub(super) struct Json;

impl Printer for Json {
    fn print(&mut self, response: &GetFlowsResponse, out: &mut dyn Write) -> io::Result<()> {
        match &response.response_types {
            Some(ResponseTypes::Flow(_) | ResponseTypes::LostEvents(_)) => {
                serde_json::to_writer(&mut *out, response)?;
                writeln!(out)
            }
            Some(ResponseTypes::NodeStatus(_)) | None => Ok(()),
        }
    }
}
