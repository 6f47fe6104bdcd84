//! Arguments of `flowctl connections` and `flowctl top`.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use flowd_proto::flowd::v1::{ConnectionOrder, GroupKey, TopOrder};

use super::{FilterTerms, time};

pub(super) const CONNECTIONS_EXAMPLES: &str = "\
Examples:
  flowctl connections --sort oldest             which ones never end
  flowctl connections --pod shop/db -o json     all of one workload's, for programs
  flowctl connections --process curl            what curl has open
  flowctl connections --denied                  what is being denied right now";

pub(super) const TOP_EXAMPLES: &str = "\
Examples:
  flowctl top                                   who talks to whom, by bytes of the last minute
  flowctl top --by process --sort packets       which programs send most packets
  flowctl top --by rule,reason --sort drops     what drops most, and why
  flowctl top --by workload,port -n shop --once --window 1h
  flowctl top --all -o csv                      all there is in memory, for a spreadsheet";

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AggregateOutput {
    /// Aligned columns, for people.
    #[default]
    #[value(alias = "table")]
    Compact,
    /// For programs.
    Json,
    /// Comma-separated values under a line of names.
    Csv,
}

/// Which connections, and how to print them.
#[derive(Args, Debug)]
pub struct ConnectionsArgs {
    /// Denied flows instead of connections
    #[arg(long, help_heading = "Selection")]
    pub denied: bool,
    /// Which come first
    #[arg(long, value_enum, default_value_t, help_heading = "Selection")]
    pub sort: ConnectionSort,
    /// How many, at most 2000
    #[arg(long, default_value_t = 100, value_name = "N", help_heading = "Selection",
          value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub number: u32,
    /// Which ones.
    #[command(flatten)]
    pub filters: FilterTerms,
    /// How to print them.
    #[command(flatten)]
    pub format: AggregateFormat,
}

/// How aggregates are printed.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub struct AggregateFormat {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    pub output: AggregateOutput,
    /// Print addresses and identity numbers instead of names
    #[arg(long)]
    pub numeric: bool,
}

/// Which connections come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ConnectionSort {
    /// Most bytes, both ways.
    #[default]
    Bytes,
    /// Most packets, both ways.
    Packets,
    /// Begun last.
    Newest,
    /// Begun first.
    Oldest,
    /// Most recent packet.
    LastPacket,
    /// Longest round trip.
    Rtt,
}

impl From<ConnectionSort> for ConnectionOrder {
    fn from(sort: ConnectionSort) -> Self {
        match sort {
            ConnectionSort::Bytes => Self::Unspecified,
            ConnectionSort::Packets => Self::Packets,
            ConnectionSort::Newest => Self::Newest,
            ConnectionSort::Oldest => Self::Oldest,
            ConnectionSort::LastPacket => Self::LastPacket,
            ConnectionSort::Rtt => Self::Rtt,
        }
    }
}

/// What counts, how it is grouped, and how to print it.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// What to group by: up to six of the keys, joined by commas
    ///
    /// A plain key, such as workload, is about the workload whose flow it is: with its own view of
    /// what was sent and received. source- and destination- are about who opened the connection and
    /// to whom; peer- is the other end of the workload's.
    #[arg(long = "by", value_name = "KEYS", value_delimiter = ',', value_parser = group_keys(),
          default_value = "source-workload,destination-workload,port", hide_default_value = true,
          help_heading = "Groups")]
    pub by: Vec<GroupKey>,
    /// What the largest group has most of
    #[arg(long, value_enum, default_value_t, help_heading = "Groups")]
    pub sort: TopSort,
    /// How many groups [default: as many as the screen holds, else 20]
    #[arg(long, value_name = "N", help_heading = "Groups",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub number: Option<u32>,
    /// How far back to count [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = time::go_duration,
          conflicts_with_all = ["since", "until", "all"], help_heading = "Window")]
    pub window: Option<Duration>,
    /// Count from this time on: 5m or 1h30m ago, 2006-01-02, 2006-01-02T15:04:05Z
    #[arg(long, value_name = "TIME", help_heading = "Window")]
    pub since: Option<String>,
    /// Count up to this time
    #[arg(long, value_name = "TIME", help_heading = "Window")]
    pub until: Option<String>,
    /// Count all flows the server still has
    #[arg(long, conflicts_with_all = ["since", "until"], help_heading = "Window")]
    pub all: bool,
    /// Print one table and end, also on a terminal
    #[arg(long, help_heading = "Output")]
    pub once: bool,
    /// How long to wait between two looks
    #[arg(long, value_name = "DURATION", value_parser = time::go_duration, default_value = "2s",
          help_heading = "Output")]
    pub interval: Duration,
    /// Which flows count.
    #[command(flatten)]
    pub filters: FilterTerms,
    /// How to print them.
    #[command(flatten)]
    pub format: AggregateFormat,
}

/// What the largest group has most of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TopSort {
    /// Bytes that passed, both ways.
    #[default]
    Bytes,
    /// Packets that passed, both ways.
    Packets,
    /// Connections and denied flows.
    Flows,
    /// Packets that were dropped.
    Drops,
}

impl From<TopSort> for TopOrder {
    fn from(sort: TopSort) -> Self {
        match sort {
            TopSort::Bytes => Self::Unspecified,
            TopSort::Packets => Self::Packets,
            TopSort::Flows => Self::Flows,
            TopSort::Drops => Self::Drops,
        }
    }
}

/// Every key there is, such as `source-workload`.
fn all_keys() -> impl Iterator<Item = GroupKey> {
    (1..).map_while(|number| GroupKey::try_from(number).ok())
}

/// The name of a key, such as `source-workload`.
pub fn key_name(key: GroupKey) -> String {
    let name = key.as_str_name();
    let name = name.strip_prefix("GROUP_KEY_").unwrap_or(name);
    name.to_ascii_lowercase().replace('_', "-")
}

fn group_keys() -> impl TypedValueParser<Value = GroupKey> {
    let names = all_keys().map(key_name);
    PossibleValuesParser::new(names).try_map(|name| {
        let key = all_keys().find(|key| key_name(*key) == name);
        key.ok_or_else(|| format!("{name} is no key"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name() {
        let names: Vec<String> = all_keys().map(key_name).collect();
        assert_eq!(names.len(), 27);
        for name in ["source-workload", "peer-ip", "process-id", "rule", "port"] {
            assert!(names.iter().any(|one| one == name), "{name} in {names:?}");
        }
    }
}
