//! `flowctl observe`: flows as they come.

use std::io::{self, BufWriter, StdoutLock, Write};

use flowd_proto::observer::{GetFlowsRequest, GetFlowsResponse, get_flows_response::ResponseTypes};

use super::merge::{Merge, Next};
use super::{events, input_file, print, quiet, request};
use crate::args::observe::What;
use crate::args::{ObserveArgs, ServerArgs};
use crate::failure::Failure;
use crate::filter::raw_yaml;
use crate::print::{Paint, Printer, Style, clean, node_status_line, printer};

pub(super) async fn run(server: &ServerArgs, args: &ObserveArgs) -> Result<(), Failure> {
    match args.what {
        None | Some(What::Flows) => {}
        Some(what) => return events::run(server, args, what).await,
    }
    if args.raw.print_raw_filters {
        let yaml = raw_yaml(&request::filters(args)?)
            .map_err(|error| Failure::Runtime(format!("cannot print the filters: {error}")))?;
        return print(yaml.as_bytes());
    }
    if let Some(path) = &args.select.input_file {
        return input_file::run(path, args, &mut Screen::new(args));
    }
    let request = request::request(args, jiff::Timestamp::now())?;
    let mut screen = Screen::new(args);
    // A mask may leave out what tells flowd from others.
    screen.only_flowd = request.extensions.is_some() && args.format.field_mask.is_empty();
    let servers = server.each();
    if server.debug {
        debug(&servers, &request)?;
    }
    let several = servers.len() > 1;
    let mut merge = Merge::ask(servers, &request);
    let mut failed = None;
    loop {
        match quiet::next(merge.next(), || screen.flush()).await? {
            Next::Answer(response) => screen.show(&response)?,
            Next::Gone(server, failure) => {
                // The others go on; how it ended is told at the end as well.
                if several && let Some(line) = failure.line() {
                    screen.flush()?;
                    writeln!(io::stderr(), "flowctl: {}: {line}", clean(&server))?;
                }
                failed = Some(failure);
            }
            Next::End => break,
        }
    }
    screen.finish()?;
    match failed {
        Some(failure) => Err(failure),
        None => screen.verdict(),
    }
}

/// Tells what is asked of whom.
fn debug(servers: &[ServerArgs], request: &GetFlowsRequest) -> Result<(), Failure> {
    let json = serde_json::to_string(request)
        .map_err(|error| Failure::Runtime(format!("cannot print the request: {error}")))?;
    for server in servers {
        writeln!(
            io::stderr(),
            "flowctl: GetFlows of {}: {json}",
            server.address()
        )?;
    }
    Ok(())
}

/// Standard output behind the printer of the chosen format.
pub(super) struct Screen {
    printer: Box<dyn Printer>,
    style: Style,
    silent: bool,
    /// What was asked for means nothing to other servers, which then send all flows.
    only_flowd: bool,
    lost: u64,
    out: BufWriter<StdoutLock<'static>>,
}

impl Screen {
    fn new(args: &ObserveArgs) -> Self {
        let format = &args.format;
        let style = Style {
            node_name: format.print_node_name,
            policy_names: format.print_policy_names,
            time: format.time_format,
            numeric: format.numeric,
            names: format.ip_translation && !format.numeric,
            process: args.filters.show_process(),
            paint: Paint::stdout(format.color),
        };
        let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        Self {
            printer: printer(format.output, style),
            style,
            silent: format.silent_errors,
            only_flowd: false,
            lost: 0,
            out,
        }
    }

    pub(super) fn show(&mut self, response: &GetFlowsResponse) -> Result<(), Failure> {
        if let Some(ResponseTypes::NodeStatus(status)) = &response.response_types {
            if let Some(line) = node_status_line(status).filter(|_| !self.silent) {
                let time = self.style.time.show(response.time);
                let node = clean(&response.node_name);
                writeln!(io::stderr(), "{time} [{node}]: {line}")?;
            }
            return Ok(());
        }
        if let Some(ResponseTypes::Flow(flow)) = &response.response_types
            && self.only_flowd
            && flow.extension().is_none()
        {
            return Err(Failure::Runtime(
                "the server is no flowd: it knows no process, rule, shadow verdict or numbers of a \
                 flow and cannot choose by them; leave those flags out"
                    .to_owned(),
            ));
        }
        if let Some(ResponseTypes::LostEvents(lost)) = &response.response_types {
            self.lost = self.lost.saturating_add(lost.num_events_lost);
        }
        Ok(self.printer.print(response, &mut self.out)?)
    }

    /// Whether the answer was whole.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match self.lost {
            0 => Ok(()),
            lost => Err(Failure::Lost(lost)),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.printer.finish(&mut self.out)?;
        self.flush()
    }
}
