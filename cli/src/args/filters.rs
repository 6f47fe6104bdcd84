//! Filter flags in the order they were typed, so that `--not` finds the flag it negates.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use flowd_proto::flow::{DropReason, Verdict};

use super::flag_table::FLAGS;
use super::flags::{Field, Flag, Side};

const NOT: &str = "not";
/// The value of a flag that only asks to see something.
const SHOWN: &str = "";
const HEADING: &str = "Filters (repeat a flag for OR; different flags must all match)";

/// One filter flag as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it looks at.
    pub field: Field,
    /// Where it looks.
    pub side: Side,
    /// What it looks for; `true` for flags without a value.
    pub value: String,
    /// Whether `--not` came before it.
    pub negated: bool,
}

/// All filter flags, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterTerms(pub Vec<Term>);

impl FilterTerms {
    /// Whether the process of each flow is to be printed: `--process`, with a value or without.
    pub fn show_process(&self) -> bool {
        self.0.iter().any(|term| term.field == Field::Process)
    }
}

impl Args for FilterTerms {
    fn augment_args(command: Command) -> Command {
        let not = Arg::new(NOT)
            .long(NOT)
            .help("Leave out what the next filter flag matches; several --not must all match")
            .help_heading(HEADING);
        FLAGS
            .iter()
            .fold(command.arg(repeatable_switch(not)), |command, flag| {
                command.arg(argument(flag))
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FilterTerms {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut typed: Vec<(usize, Option<Term>)> = Vec::new();
        typed.extend(
            matches
                .indices_of(NOT)
                .into_iter()
                .flatten()
                .map(|index| (index, None)),
        );
        for flag in &FLAGS {
            let indices = matches.indices_of(flag.name).into_iter().flatten();
            let values = matches.get_many::<String>(flag.name).into_iter().flatten();
            typed.extend(indices.zip(values).map(|(index, value)| {
                let (field, side) = (flag.field, flag.side);
                (
                    index,
                    Some(Term {
                        field,
                        side,
                        value: value.clone(),
                        negated: false,
                    }),
                )
            }));
        }
        typed.sort_by_key(|(index, _)| *index);
        negate(typed.into_iter().map(|(_, term)| term)).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Gives each `--not` (a `None`) to the term after it.
fn negate(typed: impl Iterator<Item = Option<Term>>) -> Result<Vec<Term>, Error> {
    let wrong = |line: &str| Err(Error::raw(ErrorKind::ArgumentConflict, format!("{line}\n")));
    let mut terms = Vec::new();
    let mut negated = false;
    for item in typed {
        match item {
            None if negated => return wrong("--not --not: say it once, before a filter flag"),
            None => negated = true,
            Some(term) if negated && term.value == SHOWN && term.field == Field::Process => {
                return wrong("--not --process: say which process to leave out");
            }
            Some(term) => terms.push(Term {
                negated: std::mem::take(&mut negated),
                ..term
            }),
        }
    }
    if negated {
        return wrong("--not stands alone: a filter flag must come after it");
    }
    Ok(terms)
}

fn argument(flag: &Flag) -> Arg {
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .help_heading(HEADING)
        .action(ArgAction::Append);
    let arg = match flag.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    let arg = match flag.alias {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    };
    let Some(value) = flag.value else {
        return repeatable_switch(arg);
    };
    let arg = arg.value_name(value);
    if flag.field == Field::Process {
        // Alone, it asks for a column.
        return arg.num_args(0..=1).default_missing_value(SHOWN);
    }
    match known_values(flag.field) {
        Some(known) => arg
            .value_parser(known)
            .ignore_case(true)
            .hide_possible_values(true),
        None => arg,
    }
}

/// A flag without a value whose every occurrence has a place on the command line.
fn repeatable_switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Append)
        .num_args(0)
        .default_missing_value("true")
}

/// Values that can be listed: they are checked at once and offered by shell completion.
fn known_values(field: Field) -> Option<ValueParser> {
    let names: Vec<&'static str> = match field {
        Field::Verdict => (1..=7)
            .filter_map(|number| Verdict::try_from(number).ok())
            .map(|verdict| verdict.as_str_name())
            .collect(),
        Field::DropReason => (0..=255)
            .filter_map(|number| DropReason::try_from(number).ok())
            .map(|reason| reason.as_str_name())
            .collect(),
        Field::TrafficDirection => vec!["ingress", "egress"],
        Field::IpVersion => vec!["none", "v4", "v6"],
        Field::Protocol => vec![
            "tcp", "udp", "sctp", "icmp", "icmpv4", "icmpv6", "vrrp", "igmp", "dns", "http",
            "kafka",
        ],
        Field::Ip
        | Field::Port
        | Field::Pod
        | Field::Namespace
        | Field::AllNamespaces
        | Field::Label
        | Field::Identity
        | Field::Workload
        | Field::Fqdn
        | Field::Service
        | Field::Cluster
        | Field::Type
        | Field::TcpFlags
        | Field::Ipv4
        | Field::Ipv6
        | Field::Reply
        | Field::NotReply
        | Field::Uuid
        | Field::NodeName
        | Field::NodeLabel
        | Field::SnatIp
        | Field::Interface
        | Field::Encrypted
        | Field::Unencrypted
        | Field::HttpStatus
        | Field::HttpMethod
        | Field::HttpPath
        | Field::HttpUrl
        | Field::HttpHeader
        | Field::DnsQuery
        | Field::TraceId
        | Field::IpTraceId
        | Field::CelExpression
        | Field::Process
        | Field::Unit
        | Field::Container
        | Field::User
        | Field::Rule
        | Field::MinBytes
        | Field::MaxBytes
        | Field::MinPackets
        | Field::MaxPackets
        | Field::MinDuration
        | Field::MaxDuration => return None,
    };
    Some(PossibleValuesParser::new(names).into())
}
