//! `flowctl top`: who moves most, once or again and again.

use std::io::{self, IsTerminal};
use std::time::Duration;

use flowd_proto::Timestamp;
use flowd_proto::flowd::v1::aggregates_client::AggregatesClient;
use flowd_proto::flowd::v1::{TopOrder, TopRequest, TopResponse};
use tokio::signal::unix::{SignalKind, signal};

use super::connections::{MAX_ANSWER, selection};
use super::screen::Screen;
use super::{channel, print, print_json, unary};
use crate::args::time::point;
use crate::args::{AggregateOutput, ServerArgs, TopArgs};
use crate::client::Connection;
use crate::failure::Failure;
use crate::print::{TimeFormat, clean, top};

/// The window when nothing is said.
const WINDOW: Duration = Duration::from_secs(60);
/// Groups when nothing is said and no screen says how many fit.
const GROUPS: u32 = 20;
/// Lines of a screen that hold no groups: heading, names, others, total and notes.
const FRAME: u16 = 8;
/// Between two looks, at least.
const SHORTEST: Duration = Duration::from_millis(200);

type Client = AggregatesClient<Connection>;

pub(super) async fn run(server: &ServerArgs, args: &TopArgs) -> Result<(), Failure> {
    let client = AggregatesClient::new(channel(server).await?);
    let mut client = client.max_decoding_message_size(MAX_ANSWER);
    let live =
        args.format.output == AggregateOutput::Compact && !args.once && io::stdout().is_terminal();
    if live {
        return follow(server, args, &mut client).await;
    }
    let number = args.number.unwrap_or(GROUPS);
    let answer = ask(server, args, number, &mut client).await?;
    match args.format.output {
        AggregateOutput::Compact => print(&table(args, &answer)?)?,
        AggregateOutput::Json => print_json(&answer)?,
        AggregateOutput::Csv => print(&top::csv(&answer)?)?,
    }
    match answer.coverage.map_or(0, |coverage| coverage.lost) {
        0 => Ok(()),
        lost => Err(Failure::Lost(lost)),
    }
}

async fn ask(
    server: &ServerArgs,
    args: &TopArgs,
    number: u32,
    client: &mut Client,
) -> Result<TopResponse, Failure> {
    let request = request(args, number, jiff::Timestamp::now())?;
    let answer = client.top(unary(server, request)).await?;
    Ok(answer.into_inner())
}

fn request(args: &TopArgs, number: u32, now: jiff::Timestamp) -> Result<TopRequest, Failure> {
    let read = |flag: &str, text: &Option<String>| {
        let read = text.as_deref().map(|text| point(text, now)).transpose();
        read.map_err(|line| Failure::Usage(format!("--{flag}: {line}")))
    };
    let back = now.checked_sub(args.window.unwrap_or(WINDOW));
    let since = match read("since", &args.since)? {
        Some(since) => Some(since),
        None if args.all || args.until.is_some() => None,
        None => Some(back.map_err(|_| Failure::Usage("--window is too long".to_owned()))?),
    };
    Ok(TopRequest {
        selection: Some(selection(&args.filters)?),
        since: since.map(Timestamp::from),
        until: read("until", &args.until)?.map(Timestamp::from),
        group_by: args.by.iter().map(|key| *key as i32).collect(),
        order: TopOrder::from(args.sort).into(),
        number,
    })
}

fn table(args: &TopArgs, answer: &TopResponse) -> Result<Vec<u8>, Failure> {
    let time = TimeFormat::Rfc3339;
    let heading = format!(
        "{}: {} to {}\n",
        clean(&answer.node_name),
        time.show(answer.from),
        time.show(answer.to)
    );
    Ok(top::table(answer, args.format.numeric, &heading)?)
}

/// Shows one answer after the other until a signal ends it.
async fn follow(server: &ServerArgs, args: &TopArgs, client: &mut Client) -> Result<(), Failure> {
    let mut ends = [SignalKind::interrupt(), SignalKind::terminate()]
        .into_iter()
        .map(signal)
        .collect::<io::Result<Vec<_>>>()?;
    let [interrupt, terminate] = ends.as_mut_slice() else {
        return Ok(());
    };
    // Whatever ends this, the terminal is as it was before.
    let mut screen = Screen::open()?;
    let every = args.interval.max(SHORTEST);
    loop {
        let room = u32::from(screen.size().0.saturating_sub(FRAME)).max(1);
        let number = args.number.map_or(room, |number| number.min(room));
        let look = async {
            let answer = ask(server, args, number, client).await?;
            screen.show(&table(args, &answer)?)?;
            tokio::time::sleep(every).await;
            Ok::<(), Failure>(())
        };
        tokio::select! {
            looked = look => looked?,
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;
    use flowd_proto::flowd::v1::GroupKey;

    fn asked(line: &str) -> Result<TopRequest, Failure> {
        let line = ["flowctl", "top"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Top(args) = Cli::try_parse_from(line).expect("valid").command else {
            panic!("not top");
        };
        let now = jiff::Timestamp::from_second(1_000_000).expect("in range");
        request(&args, 7, now)
    }

    #[test]
    fn windows_and_groups() {
        let shown = |line| {
            let request = asked(line).expect(line);
            let seconds = |time: Option<Timestamp>| time.map(|time| time.seconds);
            (seconds(request.since), seconds(request.until))
        };
        assert_eq!(shown(""), (Some(999_940), None));
        assert_eq!(shown("--window 5m"), (Some(999_700), None));
        assert_eq!(shown("--all"), (None, None));
        assert_eq!(shown("--until 10s"), (None, Some(999_990)));
        assert_eq!(
            shown("--since 20s --until 10s"),
            (Some(999_980), Some(999_990))
        );
        let keys: Vec<GroupKey> = asked("").expect("ok").group_by().collect();
        let usual = [
            GroupKey::SourceWorkload,
            GroupKey::DestinationWorkload,
            GroupKey::Port,
        ];
        assert_eq!(keys, usual);
        let request = asked("--by rule,process --sort drops -n shop --process curl").expect("ok");
        let keys: Vec<GroupKey> = request.group_by().collect();
        assert_eq!(keys, [GroupKey::Rule, GroupKey::Process]);
        assert_eq!((request.order(), request.number), (TopOrder::Drops, 7));
        let selection = request.selection.expect("a selection");
        let beyond = selection.extension.expect("an extension").whitelist;
        assert_eq!(selection.whitelist.len(), beyond.len());
        assert_eq!(beyond[0].process, ["curl"]);
        assert!(matches!(asked("--since never"), Err(Failure::Usage(_))));
    }
}
