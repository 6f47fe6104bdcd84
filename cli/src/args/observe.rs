//! Arguments of `flowctl observe`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice, ValueEnum};

use super::FilterTerms;
use crate::print::TimeFormat;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowctl observe -f --verdict DROPPED            follow the drops
  flowctl observe --pod shop/backend --since 5m   five minutes of one workload, both ways
  flowctl observe --from-pod shop/frontend --to-port 8080 --protocol tcp
  flowctl observe -n shop --not --port 53         a namespace without its DNS
  flowctl observe --drop-reason POLICY_DENIED --last 100 -o json | jq .flow.source
  flowctl observe agent-events --since 1h         policies and workloads that came, changed or went
  flowctl observe --shadow changed                what would change were the shadow policies enforced
  flowctl observe --kernel-reason any             what the kernel dropped by itself, and why
  flowctl observe -f --allowlist '{\"source_pod\":[\"shop/\"],\"verdict\":[\"DROPPED\"]}'";

/// Which flows, and how to print them.
#[derive(Args, Debug)]
pub struct ObserveArgs {
    /// What to show [default: flows]
    #[arg(value_enum)]
    pub what: Option<What>,
    /// How many, from when.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Which ones.
    #[command(flatten)]
    pub filters: FilterTerms,
    /// Which ones, by what shadow policies would have done.
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Selection")]
    pub shadow: Option<ShadowArg>,
    /// Which ones, by the kernel's own reason for dropping them, such as NO_SOCKET; `any` for all
    /// that it dropped and flowd did not
    #[arg(
        long,
        value_name = "REASON",
        value_delimiter = ',',
        help_heading = "Selection"
    )]
    pub kernel_reason: Vec<String>,
    /// Which ones, in the API's own words.
    #[command(flatten)]
    pub raw: RawFilterArgs,
    /// How to print them.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Flows
    Flows,
    /// What became of policies, workloads and flowd itself
    AgentEvents,
    /// Debug events of the datapath: flowd makes none, a Hubble server may
    DebugEvents,
}

/// Flows by what shadow policies would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShadowArg {
    /// Those a shadow policy has a say about.
    Any,
    /// Those that would have been dropped instead of allowed, or allowed instead of dropped.
    Changed,
}

/// How many flows, from when to when.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Go on with the flows to come
    #[arg(short, long)]
    pub follow: bool,
    /// The newest N that match [default: 20, unless a time, --first, --all or --follow is given]
    #[arg(long, value_name = "N")]
    pub last: Option<u64>,
    /// The oldest N that match
    #[arg(long, value_name = "N", conflicts_with_all = ["last", "all", "follow"])]
    pub first: Option<u64>,
    /// All that the server still has
    #[arg(long, conflicts_with = "last")]
    pub all: bool,
    /// Not before this time: 5m or 1h30m ago, 2006-01-02, 2006-01-02T15:04:05Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after this time; ignored with --follow
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Read flows from a file of JSON lines (- for standard input) instead of from a server
    #[arg(long, value_name = "FILE", conflicts_with = "follow")]
    pub input_file: Option<PathBuf>,
}

/// Filters in the API's own words.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Raw filters")]
pub struct RawFilterArgs {
    /// Show what matches this FlowFilter
    #[arg(long, value_name = "JSON")]
    pub allowlist: Vec<String>,
    /// Leave out what matches this FlowFilter
    #[arg(long, value_name = "JSON")]
    pub denylist: Vec<String>,
    /// Print the filters that would be sent, and send nothing
    #[arg(long)]
    pub print_raw_filters: bool,
}

/// How to print flows.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct FormatArgs {
    /// How to print a flow
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Print the name of the node as well
    #[arg(long)]
    pub print_node_name: bool,
    /// Print the policies behind a verdict
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value_t = true)]
    pub print_policy_names: bool,
    /// How to print times; all are UTC
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        ignore_case = true
    )]
    pub time_format: TimeFormat,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Print addresses and identity numbers instead of names
    #[arg(long)]
    pub numeric: bool,
    /// Print names instead of addresses
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value_t = true)]
    pub ip_translation: bool,
    /// Print nothing on standard error but why the command failed
    #[arg(short, long)]
    pub silent_errors: bool,
    /// Ask for no more than the text formats print. Off by default: names, policies and numbers of a
    /// flow are worth their bytes
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value_t = false)]
    pub use_default_field_masks: bool,
    /// Ask for these fields of the flow only, such as time,source.pod_name,verdict; JSON output only
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub field_mask: Vec<String>,
}

/// How to print a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line.
    #[default]
    Compact,
    /// Key and value on each line.
    Dict,
    /// One JSON object per line.
    Json,
    /// The same.
    Jsonpb,
    /// Comma-separated values under a line of names.
    Csv,
    /// One OpenTelemetry log record per line, as its file exporter writes them.
    OtlpJson,
    /// Aligned columns, at the end.
    #[value(alias = "tab")]
    Table,
}
