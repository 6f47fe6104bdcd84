//! Tests of expressions: what they mean, what is refused, and what the hostile ones cost.

use flowd_abi::{DropReason, EventKind, Verdict};
use flowd_proto::flow::FlowFilter;
use flowd_proto::flow::flow_filter::Experimental;
use proptest::prelude::*;

use super::*;
use crate::enrich::DirectoryHandle;
use crate::flow::testing::{World, directory, dropped, judged, open, ping, reply};
use crate::observe::filter::{Context, FilterSet};
use crate::observe::uuid::Boot;

fn set(expressions: &[&str]) -> Result<FilterSet, FilterError> {
    let context = Context {
        directory: DirectoryHandle::new(directory()),
        boot: Boot::fixed(0x0123_4567_89ab_cdef),
        scope: crate::access::Scope::All,
    };
    let filter = FlowFilter {
        experimental: Some(Experimental {
            cel_expression: expressions.iter().map(ToString::to_string).collect(),
        }),
        ..FlowFilter::default()
    };
    FilterSet::compile(&[filter], &[], &context)
}

/// Which of five flows pass: an opening, its answer, a UDP drop from the world, an IPv6 ping, an
/// audited opening.
fn passing(expression: &str) -> String {
    let set = set(&[expression]).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let audited = judged(EventKind::Open, Verdict::Audit(DropReason::RuleDenied));
    World::records(&[open(), reply(), dropped(), ping(), audited])
        .iter()
        .enumerate()
        .filter(|(_, record)| set.pass(record))
        .map(|(index, _)| index.to_string())
        .collect()
}

#[test]
fn expressions_say_of_flows_what_cel_says() {
    for (expression, expected) in [
        ("true", "01234"),
        ("_flow.verdict == Verdict.DROPPED", "2"),
        ("_flow.verdict == flow.Verdict.DROPPED", "2"),
        ("_flow.verdict == 2", "2"),
        ("_flow.verdict in [Verdict.DROPPED, Verdict.AUDIT]", "24"),
        ("_flow.l4.TCP.destination_port == 8080u", "04"),
        ("_flow.l4.TCP.destination_port == 8080", "04"),
        (
            "_flow.l4.TCP.destination_port >= 8080u && !_flow.is_reply",
            "04",
        ),
        ("has(_flow.l4.UDP)", "2"),
        ("has(_flow.l4.TCP) && _flow.l4.TCP.flags.ACK", "1"),
        (
            "_flow.l4.UDP.destination_port > 0u || _flow.IP.ipVersion == IPVersion.IPv6",
            "23",
        ),
        ("_flow.source.pod_name.startsWith('front')", "034"),
        (
            "_flow.source.pod_name.matches('^(front|back)end-[0-9]$')",
            "0134",
        ),
        ("_flow.source.pod_name.contains('end')", "0134"),
        ("size(_flow.source.workloads) == 1", "0134"),
        ("_flow.source.workloads[0].kind == 'Deployment'", "0134"),
        (
            "_flow.source.labels.exists(l, l == 'k8s:app=frontend')",
            "034",
        ),
        ("_flow.source.labels.all(l, l.startsWith('k8s:'))", "0134"),
        (
            "_flow.source.labels.exists_one(l, l.endsWith('world'))",
            "2",
        ),
        (
            "_flow.source.labels.filter(l, l.contains('app')).size() == 1",
            "0134",
        ),
        (
            "_flow.source.labels.map(l, size(l)).exists(n, n > 30)",
            "0134",
        ),
        ("'reserved:world' in _flow.source.labels", "2"),
        ("_flow.is_reply == true", "1"),
        ("_flow.is_reply == null", ""),
        ("_flow.time > timestamp('2023-11-14T00:00:00Z')", "01234"),
        (
            "_flow.time - timestamp('2023-11-14T22:13:20Z') < duration('1s')",
            "01234",
        ),
        (
            "_flow.time.getFullYear() == 2023 && _flow.time.getMonth() == 10",
            "01234",
        ),
        ("_flow.extensions.reason == 'default_denied'", "2"),
        ("_flow.extensions.sent_bytes > 70u", "0134"),
        (
            "_flow.drop_reason_desc == DropReason.POLICY_DENIED ? true : false",
            "2",
        ),
        ("_flow.Summary == \"TCP Flags: SYN\"", "04"),
        ("int(_flow.l4.UDP.source_port) - 4444 == 0", "2"),
        ("string(_flow.source.identity) + '!' == '5000!'", "034"),
        ("{'a': 1, 'b': 2}.a == 1 && {'a': 1}['a'] == 1", "01234"),
        ("!has(_flow.l7) && _flow.l7.http.code == 0u", "01234"),
        ("_flow == _flow", "01234"),
        ("1 + 2 * 3 == 7 && -2 < 0 && 7 % 4 == 3 && 2.5 > 2", "01234"),
        ("[1, 2] + [3] == [1, 2, 3] && b'ab' == bytes('ab')", "01234"),
        ("r'\\d' == '\\\\d' && '\\u00e4' == 'ä'", "01234"),
        // What fails does not match, and one side that decides makes up for it.
        ("1 / 0 == 1", ""),
        ("1 / 0 == 1 || true", "01234"),
        ("!(1 / 0 == 1 && false)", "01234"),
        ("_flow.source.workloads[7].kind == ''", ""),
    ] {
        assert_eq!(passing(expression), expected, "{expression}");
    }
}

#[test]
fn several_expressions_are_ored_and_other_fields_anded() {
    let both = set(&["_flow.is_reply == true", "has(_flow.l4.UDP)"]).expect("valid");
    let records = World::records(&[open(), reply(), dropped()]);
    let passed: Vec<bool> = records.iter().map(|record| both.pass(record)).collect();
    assert_eq!(passed, [false, true, true]);
}

#[test]
fn what_does_not_check_is_refused_with_its_place() {
    for (expression, part) in [
        ("", "a value is missing here (at character 1)"),
        ("_flow.verdict", "must be true or false, not int"),
        ("_flow.is_reply", "not wrapper(bool)"),
        (
            "_flow.nope == 1",
            "flow.Flow has no field nope (at character 6)",
        ),
        (
            "flow.verdict == 1",
            "there is no flow; the flow is called _flow",
        ),
        (
            "_flow.verdict == 'DROPPED'",
            "== does not go with int and string",
        ),
        (
            "_flow.verdict && true",
            "true or false is needed here, not int",
        ),
        (
            "_flow.source.labels == 'x'",
            "does not go with list(string)",
        ),
        ("_flow.verdict == Verdict.NOPE", "there is no Verdict"),
        ("nope(1)", "there is no function nope"),
        (
            "_flow.Summary.startsWith(1)",
            "does not go with (string, int)",
        ),
        ("_flow.Summary.matches(_flow.uuid)", "must be written out"),
        (
            "_flow.Summary.matches('(')",
            "the pattern of matches is none",
        ),
        ("Endpoint{ID: 1} == _flow.source", "messages cannot be made"),
        ("[1, 2].exists(1, true)", "first argument is a name"),
        ("has(1)", "has asks for a field"),
        ("true true", "an operator is missing here"),
        ("(true", ") is missing here"),
        ("'abc", "a text without its end"),
        ("1 = 1", "has no place here"),
        ("99999999999999999999 == 1", "no number of 64 bits"),
        ("for == 1", "reserved word"),
    ] {
        let error = set(&[expression])
            .err()
            .unwrap_or_else(|| panic!("{expression} passed"));
        assert!(error.to_string().contains(part), "{expression}: {error}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let refused = |expression: String| {
        let error = Program::compile(&expression).expect_err("too much");
        assert!(error.what.contains("more than"), "{error:?}");
    };
    refused(format!("{}true{}", "(".repeat(2_000), ")".repeat(2_000)));
    refused(format!("{}true", "!".repeat(4_000)));
    refused(format!("{}1 == 1", "-(".repeat(2_000)));
    refused("[".repeat(4_000));
    refused("{1:".repeat(1_000));
    refused(format!("{}true", "true?true:".repeat(200)));
    refused(format!("_flow{} == 1", ".a".repeat(2_000)));
    refused(format!("1{} == 1", "+1".repeat(2_000)));
    refused(format!("true{}", "&&true".repeat(600)));
    // A long flat chain is no deep one.
    assert!(Program::compile(&format!("true{}", "&&true".repeat(400))).is_ok());
    let many = vec!["true"; MAX_EXPRESSIONS + 1];
    assert!(matches!(set(&many), Err(FilterError::TooMany { .. })));
}

#[test]
fn what_costs_too_much_does_not_match() {
    let list = format!("[{}]", vec!["1"; 60].join(","));
    let deep =
        format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, a + b + c + d == 4))))");
    assert_eq!(passing(&deep), "");
    let doubled = (0..14).fold("_flow.Summary".to_owned(), |text, _| format!("({text})"));
    let grown = format!(
        "['{}'].map(a, a + a).map(a, a + a).map(a, a + a)[0] == ''",
        "x".repeat(2_000)
    );
    assert_eq!(passing(&grown), "");
    assert_eq!(passing(&format!("size({doubled}) >= 0")), "01234");
}

/// Words that expressions are made of, well and badly.
const WORDS: [&str; 44] = [
    "_flow",
    ".",
    "source",
    "labels",
    "l4",
    "TCP",
    "verdict",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    "in",
    "?",
    ":",
    ",",
    "1",
    "0",
    "2u",
    "1.5",
    "'a'",
    "b'\\xff'",
    "true",
    "null",
    "has",
    "size",
    "exists",
    "map",
    "x",
    "matches",
    "Verdict",
    "extensions",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes, it is refused or runs to an end.
    #[test]
    fn nothing_makes_it_panic(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..24)) {
        if let Ok(program) = Program::compile(&words.concat()) {
            program.matches(&Arc::new(DynamicMessage::new(FLOW_SHAPE.clone())));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,64}") {
        if let Ok(program) = Program::compile(&text) {
            program.matches(&Arc::new(DynamicMessage::new(FLOW_SHAPE.clone())));
        }
    }
}
