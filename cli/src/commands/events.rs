//! `flowctl observe agent-events` and `debug-events`: what happened beside flows.

use std::io::{self, BufWriter, Write};

use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{GetAgentEventsRequest, GetDebugEventsRequest};

use super::{channel, quiet, request};
use crate::args::observe::{Output, What};
use crate::args::{ObserveArgs, ServerArgs};
use crate::client::MAX_ANSWER;
use crate::failure::Failure;
use crate::print::{EventLine, Paint};

pub(super) async fn run(
    server: &ServerArgs,
    args: &ObserveArgs,
    what: What,
) -> Result<(), Failure> {
    let asked = asked(args)?;
    let client = ObserverClient::new(channel(server).await?);
    let mut client = client.max_decoding_message_size(MAX_ANSWER);
    let mut out = BufWriter::new(io::stdout().lock());
    let line = EventLine {
        time: args.format.time_format,
        node_name: args.format.print_node_name,
        json: matches!(args.format.output, Output::Json | Output::Jsonpb),
        paint: Paint::stdout(args.format.color),
    };
    macro_rules! show {
        ($events:expr, $print:ident) => {
            while let Some(response) = quiet::next($events.message(), || Ok(out.flush()?)).await?? {
                line.$print(&response, &mut out)?;
            }
        };
    }
    match what {
        What::DebugEvents => {
            let request = GetDebugEventsRequest {
                number: asked.number,
                first: asked.first,
                follow: asked.follow,
                since: asked.since,
                until: asked.until,
            };
            let mut events = client.get_debug_events(request).await?.into_inner();
            show!(events, debug);
        }
        What::Flows | What::AgentEvents => {
            let mut events = client.get_agent_events(asked).await?.into_inner();
            show!(events, agent);
        }
    }
    Ok(out.flush()?)
}

/// The selection flags; what is about flows alone is refused.
fn asked(args: &ObserveArgs) -> Result<GetAgentEventsRequest, Failure> {
    let raw = !args.raw.allowlist.is_empty() || !args.raw.denylist.is_empty();
    if raw || !args.filters.0.is_empty() || !args.format.field_mask.is_empty() {
        let line = "filters and field masks are about flows; events take --last, --first, --all, \
                    --since, --until and --follow";
        return Err(Failure::Usage(line.to_owned()));
    }
    if !matches!(
        args.format.output,
        Output::Compact | Output::Json | Output::Jsonpb
    ) {
        let line = "events are printed with -o compact or -o json";
        return Err(Failure::Usage(line.to_owned()));
    }
    if args.select.input_file.is_some() {
        return Err(Failure::Usage("--input-file is about flows".to_owned()));
    }
    let flows = request::request(args, jiff::Timestamp::now())?;
    Ok(GetAgentEventsRequest {
        number: flows.number,
        first: flows.first,
        follow: flows.follow,
        since: flows.since,
        until: flows.until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<GetAgentEventsRequest, Failure> {
        let line = ["flowctl", "observe", "agent-events"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Observe(args) = Cli::try_parse_from(line).expect("valid").command else {
            panic!("not observe");
        };
        assert_eq!(args.what, Some(What::AgentEvents));
        asked(&args)
    }

    #[test]
    fn events_are_selected_as_flows_are() {
        assert_eq!(parsed("").expect("valid").number, 20);
        assert_eq!(parsed("--all").expect("valid").number, u64::MAX);
        let follow = parsed("-f --last 3").expect("valid");
        assert!(follow.follow && follow.number == 3);
        for line in ["--verdict DROPPED", "--allowlist {}", "-o dict"] {
            assert!(matches!(parsed(line), Err(Failure::Usage(_))), "{line}");
        }
    }
}
