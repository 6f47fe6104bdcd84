//! Arguments of `observe` become a request.

use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::{FlowExtensionFilter, GetFlowsExtension, ShadowFilter};
use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::{FieldMask, FlowMask, Timestamp};

use crate::args::ObserveArgs;
use crate::args::observe::{Output, SelectArgs, ShadowArg};
use crate::args::time::point;
use crate::failure::Failure;
use crate::filter::{self, FilterError, Filters};

/// How many flows are shown when nothing else is said.
const IMPLIED_LAST: u64 = 20;

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// From when to when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) since: Option<jiff::Timestamp>,
    pub(super) until: Option<jiff::Timestamp>,
}

pub(super) fn span(select: &SelectArgs, now: jiff::Timestamp) -> Result<Span, Failure> {
    let read = |flag: &str, text: &Option<String>| {
        let read = text.as_deref().map(|text| point(text, now)).transpose();
        read.map_err(|line| Failure::Usage(format!("--{flag}: {line}")))
    };
    let until = read("until", &select.until)?;
    Ok(Span {
        since: read("since", &select.since)?,
        until: until.filter(|_| !select.follow),
    })
}

/// Typed and raw filters together.
pub(super) fn filters(args: &ObserveArgs) -> Result<Filters, Failure> {
    let mut filters = filter::build(&args.filters.0)?;
    for json in &args.raw.allowlist {
        filters.allow.push(filter::parse_raw(json)?);
    }
    for json in &args.raw.denylist {
        filters.deny.push(filter::parse_raw(json)?);
    }
    Ok(filters)
}

/// What contradicts itself whatever the server says.
pub(super) fn check(args: &ObserveArgs) -> Result<(), Failure> {
    let output = args.format.output;
    if output == Output::Table && args.select.follow {
        let line =
            "-o table needs all flows to align them, and --follow never ends: use -o compact";
        return Err(Failure::Usage(line.to_owned()));
    }
    if !args.format.field_mask.is_empty() {
        if !matches!(output, Output::Json | Output::Jsonpb) {
            let line = "--field-mask leaves out what -o compact, dict and table print: use -o json";
            return Err(Failure::Usage(line.to_owned()));
        }
        mask(args)?;
    }
    Ok(())
}

/// What `--field-mask` leaves of a flow; `None` for all of it.
pub(super) fn mask(args: &ObserveArgs) -> Result<Option<FlowMask>, Failure> {
    if args.format.field_mask.is_empty() {
        return Ok(None);
    }
    let mask = FlowMask::compile(&args.format.field_mask);
    mask.map(Some)
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// What the text formats print of a flow: `--use-default-field-masks`.
const PRINTED: [&str; 24] = [
    "time",
    "verdict",
    "drop_reason_desc",
    "auth_type",
    "ethernet",
    "IP",
    "l4",
    "source",
    "destination",
    "Type",
    "node_name",
    "source_names",
    "destination_names",
    "l7",
    "event_type",
    "source_service",
    "destination_service",
    "traffic_direction",
    "policy_match_type",
    "is_reply",
    "sock_xlate_point",
    "ip_trace_id",
    "Summary",
    "extensions",
];

/// The mask to ask for; empty for all fields.
fn paths(args: &ObserveArgs) -> Vec<String> {
    let format = &args.format;
    let text = matches!(
        format.output,
        Output::Compact | Output::Dict | Output::Table
    );
    if format.field_mask.is_empty() && format.use_default_field_masks && text {
        let policies = ["egress", "ingress"].iter().flat_map(|direction| {
            ["allowed", "denied"].map(|verdict| format!("{direction}_{verdict}_by"))
        });
        return PRINTED
            .iter()
            .map(|path| (*path).to_owned())
            .chain(policies)
            .collect();
    }
    format.field_mask.clone()
}

/// A list of nothing but the place of what is asked beyond it need not be told, and must not be: a
/// server that does not know what is beyond would leave out all flows.
fn told(list: Vec<FlowFilter>, beyond: &[FlowExtensionFilter]) -> Vec<FlowFilter> {
    let only_its_place = list == [FlowFilter::default()] && !beyond.is_empty();
    if only_its_place { Vec::new() } else { list }
}

pub(super) fn request(
    args: &ObserveArgs,
    now: jiff::Timestamp,
) -> Result<GetFlowsRequest, Failure> {
    check(args)?;
    let select = &args.select;
    let span = span(select, now)?;
    let filters = filters(args)?;
    let bounded = span.since.is_some() || span.until.is_some() || select.follow;
    let number = match (select.first, select.last, select.all) {
        (Some(first), _, _) => first,
        (None, Some(last), _) => last,
        (None, None, true) => u64::MAX,
        (None, None, false) if bounded => 0,
        (None, None, false) => IMPLIED_LAST,
    };
    let paths = paths(args);
    let shadow = match args.shadow {
        None => ShadowFilter::Unspecified,
        Some(ShadowArg::Any) => ShadowFilter::AnyShadow,
        Some(ShadowArg::Changed) => ShadowFilter::ChangedShadow,
    };
    let beyond = GetFlowsExtension {
        shadow: shadow.into(),
        kernel_reason: args.kernel_reason.clone(),
        ..filters.beyond
    };
    let asks_beyond = beyond != GetFlowsExtension::default();
    Ok(GetFlowsRequest {
        number,
        first: select.first.is_some(),
        follow: select.follow,
        since: span.since.map(Timestamp::from),
        until: span.until.map(Timestamp::from),
        whitelist: told(filters.allow, &beyond.whitelist),
        blacklist: told(filters.deny, &beyond.blacklist),
        field_mask: (!paths.is_empty()).then_some(FieldMask { paths }),
        extensions: asks_beyond.then(|| beyond.pack()),
        ..GetFlowsRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Box<ObserveArgs> {
        let line = ["flowctl", "observe"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Observe(args) = Cli::try_parse_from(line).expect("valid").command else {
            panic!("not observe");
        };
        args
    }

    fn asked(line: &str) -> Result<GetFlowsRequest, Failure> {
        let now = jiff::Timestamp::from_second(1_000_000).expect("in range");
        request(&parsed(line), now)
    }

    #[test]
    fn numbers_and_times() {
        let shown = |line| {
            let r = asked(line).expect(line);
            let seconds = |time: Option<Timestamp>| time.map(|time| time.seconds);
            (
                r.number,
                r.first,
                r.follow,
                seconds(r.since),
                seconds(r.until),
            )
        };
        assert_eq!(shown(""), (20, false, false, None, None));
        assert_eq!(shown("flows --last 5"), (5, false, false, None, None));
        assert_eq!(shown("--first 7"), (7, true, false, None, None));
        assert_eq!(shown("--all"), (u64::MAX, false, false, None, None));
        assert_eq!(shown("-f"), (0, false, true, None, None));
        assert_eq!(
            shown("-f --last 3 --until 1s"),
            (3, false, true, None, None)
        );
        assert_eq!(shown("--since 1m"), (0, false, false, Some(999_940), None));
        let both = shown("--since 2m --until 1m --last 9");
        assert_eq!(both, (9, false, false, Some(999_880), Some(999_940)));
    }

    #[test]
    fn masks_need_json_and_known_names() {
        let mask = asked("-o json --field-mask time,IP --field-mask source.pod_name").expect("ok");
        let paths = mask.field_mask.expect("a mask").paths;
        assert_eq!(paths, ["time", "IP", "source.pod_name"]);
        for line in [
            "--field-mask time",
            "-o json --field-mask source.podName",
            "-f -o table",
        ] {
            assert!(matches!(asked(line), Err(Failure::Usage(_))), "{line}");
        }
        assert_eq!(asked("").expect("ok").field_mask, None);
    }

    #[test]
    fn the_default_mask_is_asked_for_only_when_wanted() {
        let asked = |line| asked(line).expect(line).field_mask.map(|mask| mask.paths);
        assert_eq!(asked(""), None);
        assert_eq!(asked("--use-default-field-masks -o json"), None);
        let paths = asked("--use-default-field-masks").expect("a mask");
        FlowMask::compile(&paths).expect("fields of a flow");
        assert!(
            paths.iter().any(|path| path == "ingress_denied_by"),
            "{paths:?}"
        );
    }

    #[test]
    fn policy_names_are_printed_unless_unwanted() {
        for (line, expected) in [
            ("", true),
            ("--print-policy-names", true),
            ("--print-policy-names -f", true),
            ("--print-policy-names=false", false),
        ] {
            assert_eq!(parsed(line).format.print_policy_names, expected, "{line}");
        }
    }

    #[test]
    fn reasons_of_the_kernel_go_with_the_request() {
        let asked = |line| asked(line).expect(line).extensions;
        assert_eq!(asked(""), None);
        let packed = asked("--kernel-reason NO_SOCKET,netfilter_drop").expect("an extension");
        let extension = GetFlowsExtension::unpack(&packed).expect("sound");
        let reasons = extension.expect("ours").kernel_reason;
        assert_eq!(reasons, ["NO_SOCKET", "netfilter_drop"]);
    }

    #[test]
    fn typed_and_raw_filters_add_up() {
        let request =
            asked(r#"--to-port 80 --allowlist {"reply":[true]} --denylist {"uuid":["u"]}"#)
                .expect("ok");
        assert_eq!(request.whitelist.len(), 2);
        assert_eq!(request.blacklist[0].uuid, ["u"]);
        assert!(matches!(asked("--since never"), Err(Failure::Usage(_))));
    }
}
