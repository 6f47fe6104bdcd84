//! `flowctl mode`: asks the daemon, and prints what became of it.

use std::io::Write;

use flowd_proto::flowd::v1::modes_client::ModesClient;
use flowd_proto::flowd::v1::{ClearModeRequest, ListModesRequest, SetModeRequest, TargetMode};

use super::{channel, print, print_json, unary};
use crate::args::{ModeCommand, ServerArgs, TestOutput};
use crate::failure::Failure;
use crate::print::{clean, columns};

pub(super) async fn run(server: &ServerArgs, command: &ModeCommand) -> Result<(), Failure> {
    let mut client = ModesClient::new(channel(server).await?);
    match command {
        ModeCommand::Set { target, mode } => {
            let request = SetModeRequest {
                target: target.clone(),
                mode: mode.name().to_owned(),
            };
            // Not a single answer's deadline: it comes when the mode is enforced.
            let answer = client.set_mode(request).await?.into_inner();
            let set = answer.set.unwrap_or_default();
            let mut text = format!(
                "{} as of generation {}\n",
                sentence(&set),
                answer.generation
            );
            for note in &answer.notes {
                text += &format!("note: {}\n", clean(note));
            }
            print(text.as_bytes())
        }
        ModeCommand::Clear { target } => {
            let request = ClearModeRequest {
                target: target.clone(),
            };
            let answer = client.clear_mode(request).await?.into_inner();
            let cleared = answer.cleared.unwrap_or_default();
            let (target, mode) = (clean(&cleared.target), clean(&cleared.mode));
            let generation = answer.generation;
            let text = format!("{target}: {mode} cleared as of generation {generation}\n");
            print(text.as_bytes())
        }
        ModeCommand::List { output } => {
            let request = unary(server, ListModesRequest {});
            let answer = client.list_modes(request).await?.into_inner();
            match output {
                TestOutput::Json => print_json(&answer),
                TestOutput::Table => print(&table(&answer.modes)?),
            }
        }
    }
}

fn sentence(set: &TargetMode) -> String {
    let (target, mode) = (clean(&set.target), clean(&set.mode));
    match set.endpoints {
        1 => format!("{target}: {mode}, for 1 endpoint"),
        count => format!("{target}: {mode}, for {count} endpoints"),
    }
}

fn table(modes: &[TargetMode]) -> Result<Vec<u8>, Failure> {
    let mut rows = columns();
    writeln!(rows, "TARGET\tMODE\tENDPOINTS")?;
    for set in modes {
        let (target, mode) = (clean(&set.target), clean(&set.mode));
        writeln!(rows, "{target}\t{mode}\t{}", set.endpoints)?;
    }
    rows.into_inner()
        .map_err(|error| Failure::Runtime(format!("cannot align: {error}")))
}
