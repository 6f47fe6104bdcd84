//! `flowctl observe`: flows as they come.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::time::Duration;

use flowd_proto::observer::observer_client::ObserverClient;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use tokio::time::timeout;

use super::{channel, events, input_file, print, request};
use crate::args::observe::What;
use crate::args::{ObserveArgs, ServerArgs};
use crate::client::MAX_ANSWER;
use crate::failure::Failure;
use crate::filter::raw_yaml;
use crate::print::{Paint, Printer, Style, node_status_line, printer};

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
    let mut client =
        ObserverClient::new(channel(server).await?).max_decoding_message_size(MAX_ANSWER);
    let mut flows = client.get_flows(request).await?.into_inner();
    let mut screen = Screen::new(args);
    loop {
        // What is there is printed at once; only when nothing is, the screen is brought up to date.
        let next = match timeout(Duration::ZERO, flows.message()).await {
            Ok(next) => next,
            Err(_) => {
                screen.flush()?;
                flows.message().await
            }
        };
        match next {
            Ok(Some(response)) => screen.show(&response)?,
            Ok(None) => return screen.finish(),
            Err(status) => {
                screen.finish()?;
                return Err(status.into());
            }
        }
    }
}

/// Standard output behind the printer of the chosen format.
pub(super) struct Screen {
    printer: Box<dyn Printer>,
    style: Style,
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
            paint: Paint::stdout(format.color),
        };
        let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        Self {
            printer: printer(format.output, style),
            style,
            out,
        }
    }

    pub(super) fn show(&mut self, response: &GetFlowsResponse) -> Result<(), Failure> {
        if let Some(ResponseTypes::NodeStatus(status)) = &response.response_types {
            if let Some(line) = node_status_line(status) {
                let time = self.style.time.show(response.time);
                let node = crate::print::clean(&response.node_name);
                writeln!(io::stderr(), "{time} [{node}]: {line}")?;
            }
            return Ok(());
        }
        Ok(self.printer.print(response, &mut self.out)?)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.printer.finish(&mut self.out)?;
        self.flush()
    }
}
