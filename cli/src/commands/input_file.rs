//! `observe --input-file`: flows that were written down as JSON lines.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use flowd_proto::FlowMask;
use flowd_proto::json::prune_unknown;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};

use super::observe::Screen;
use super::request;
use crate::args::ObserveArgs;
use crate::failure::Failure;
use crate::filter::OfflineFilters;

/// Flows that are held to find the last of them.
const MAX_LAST: u64 = 1_000_000;
/// Longest line that is read.
const MAX_LINE: u64 = 1 << 20;

pub(super) fn run(path: &Path, args: &ObserveArgs, screen: &mut Screen) -> Result<(), Failure> {
    request::check(args)?;
    let filters = OfflineFilters::compile(&request::filters(args)?)?;
    let mask = request::mask(args)?;
    if args.shadow.is_some() {
        return Err(Failure::Usage(
            "--shadow is applied by a server, and --input-file has none".into(),
        ));
    }
    let last = args.select.last.filter(|_| args.select.first.is_none());
    if last.is_some_and(|last| last > MAX_LAST) {
        return Err(Failure::Usage(format!(
            "--last of a file is {MAX_LAST} at most"
        )));
    }
    let span = request::span(&args.select, jiff::Timestamp::now())?;
    let mut held = VecDeque::new();
    let mut left = args.select.first;
    for response in Lines::open(path)? {
        let response = response?;
        let time = response
            .time
            .and_then(|time| jiff::Timestamp::try_from(time).ok());
        let early = span
            .since
            .is_some_and(|since| time.is_some_and(|time| time < since));
        let late = span
            .until
            .is_some_and(|until| time.is_some_and(|time| time > until));
        let unwanted = |response: &GetFlowsResponse| match &response.response_types {
            Some(ResponseTypes::Flow(flow)) => !filters.pass(flow),
            Some(ResponseTypes::LostEvents(_) | ResponseTypes::NodeStatus(_)) | None => false,
        };
        if early || late || unwanted(&response) {
            continue;
        }
        let response = masked(response, mask.as_ref());
        match (last, &mut left) {
            (_, Some(0)) => break,
            (_, Some(left)) => *left -= 1,
            (None, None) => {}
            (Some(last), None) => {
                held.push_back(response);
                if held.len() as u64 > last {
                    held.pop_front();
                }
                continue;
            }
        }
        screen.show(&response)?;
    }
    for response in &held {
        screen.show(response)?;
    }
    screen.finish()?;
    screen.verdict()
}

/// Filtering is on the whole flow; what is not asked for goes only now.
fn masked(mut response: GetFlowsResponse, mask: Option<&FlowMask>) -> GetFlowsResponse {
    if let (Some(mask), Some(ResponseTypes::Flow(flow))) = (mask, &mut response.response_types) {
        *flow = mask.apply(flow);
        response.time = flow.time;
        response.node_name.clone_from(&flow.node_name);
    }
    response
}

struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    line: usize,
    warned: bool,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let input: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(path);
            let file = file.map_err(|e| Failure::Runtime(format!("cannot read {name}: {e}")))?;
            Box::new(BufReader::new(file))
        };
        Ok(Self {
            name,
            input,
            line: 0,
            warned: false,
        })
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Failure {
        Failure::Runtime(format!("{}:{}: {what}", self.name, self.line))
    }

    fn read(&mut self, text: &str) -> Result<GetFlowsResponse, Failure> {
        if let Ok(response) = serde_json::from_str(text) {
            return Ok(response);
        }
        let mut value = serde_json::from_str(text).map_err(|error| self.wrong(error))?;
        let removed = prune_unknown("observer.GetFlowsResponse", &mut value);
        let response = serde_json::from_value(value).map_err(|error| self.wrong(error))?;
        if let Some(field) = removed.first().filter(|_| !self.warned) {
            self.warned = true;
            let place = format!("{}:{}", self.name, self.line);
            writeln!(
                io::stderr(),
                "flowctl: {place}: field {field:?} is not known, left out"
            )?;
        }
        Ok(response)
    }
}

impl Iterator for Lines {
    type Item = Result<GetFlowsResponse, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut text = String::new();
            self.line += 1;
            match self.input.by_ref().take(MAX_LINE).read_line(&mut text) {
                Err(error) => return Some(Err(self.wrong(error))),
                Ok(0) => return None,
                Ok(length) if length as u64 == MAX_LINE && !text.ends_with('\n') => {
                    return Some(Err(self.wrong("the line is longer than 1 MiB")));
                }
                Ok(_) if text.trim().is_empty() => {}
                Ok(_) => return Some(self.read(&text)),
            }
        }
    }
}
