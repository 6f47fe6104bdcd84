//! Expressions that took the evaluator too far, once: found by reading and by fuzzing, and kept.

use prost_reflect::DynamicMessage;

use super::*;

/// Whether it holds for an empty flow, and the steps that were left. Where the bounds do not hold,
/// these end by memory or by the patience of whoever runs the test.
fn run(text: &str) -> (bool, u32) {
    let program = Program::compile(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
    let flow = Arc::new(DynamicMessage::new(FLOW_SHAPE.clone()));
    let mut evaluation = Evaluation {
        flow: &flow,
        locals: Vec::new(),
        fuel: FUEL,
    };
    let holds = evaluation.holds(&program.node).unwrap_or(false);
    (holds, evaluation.fuel)
}

/// A list of lists of lists…, a few bytes that are 8^20 elements.
fn endless() -> String {
    let level = ".map(a,[a,a,a,a,a,a,a,a])";
    format!("[1]{}", level.repeat(20))
}

#[test]
fn lists_that_share_their_parts_are_not_compared_without_end() {
    let endless = endless();
    assert!(!run(&format!("{endless} == {endless}")).0);
    assert!(!run(&format!("{endless} in [{endless}]")).0);
    assert!(!run(&format!("[{endless}].exists_one(a, a == {endless})")).0);
    // Those of a reasonable size are.
    assert!(run("[1].map(a,[a,a]).map(a,[a,a]) == [[[1,1],[1,1]]]").0);
}

#[test]
fn maps_that_share_their_parts_are_not_compared_without_end() {
    let level = ".map(a,{1:a,2:a,3:a,4:a})";
    let endless = format!("[1]{}", level.repeat(20));
    assert!(!run(&format!("{endless} == {endless}")).0);
    assert!(run("{1: 'a', 2: {true: 2.5}} == {2u: {true: 2.5}, 1u: 'a'}").0);
}

#[test]
fn the_kind_of_a_map_does_not_double_with_each_level() {
    let level = ".map(a,{a:a})";
    let deep = format!("[1]{}.size() == 1", level.repeat(25));
    let mistake = Program::compile(&deep).expect_err("a map is no key");
    assert!(mistake.what.contains("a key is a number"), "{mistake:?}");
    assert!(run("{'a': 1, 2: 2, true: 3}.size() == 3").0);
}

#[test]
fn a_key_given_twice_fails() {
    assert!(!run("{1: 1, 1u: 2}.size() > 0").0);
    assert!(!run("{dyn([1]): 1}.size() > 0").0);
}

#[test]
fn reading_much_of_a_flow_costs_much() {
    let once = FUEL - run("_flow == _flow").1;
    assert!(once > 64, "{once} steps to compare whole flows");
    let mut flow = DynamicMessage::new(FLOW_SHAPE.clone());
    let names: Vec<_> = (0..100)
        .map(|name| prost_reflect::Value::String(format!("name-{name}")))
        .collect();
    flow.set_field_by_name("source_names", prost_reflect::Value::List(names));
    let program = Program::compile("size(_flow.source_names) == 100").expect("valid");
    let flow = Arc::new(flow);
    let mut evaluation = Evaluation {
        flow: &flow,
        locals: Vec::new(),
        fuel: FUEL,
    };
    assert_eq!(evaluation.holds(&program.node), Ok(true));
    let spent = FUEL - evaluation.fuel;
    assert!(spent > 100, "{spent} steps to copy a list of 100");
}

#[test]
fn a_large_pattern_costs_more_than_a_small_one_and_many_are_refused() {
    let text = "a".repeat(300);
    let spent = |pattern| FUEL - run(&format!("'{text}'.matches('{pattern}')")).1;
    let (small, large) = (spent("^a+$"), spent("(?:a|aa|aaa){400}b"));
    assert!((300..310).contains(&small), "{small}");
    assert!((3_600..3_610).contains(&large), "{large}");
    let many = ["'a'.matches('a')"; MAX_PATTERNS + 1].join(" || ");
    let mistake = Program::compile(&many).expect_err("too many");
    assert!(mistake.what.contains("more than 8 patterns"), "{mistake:?}");
    let huge = Program::compile("'a'.matches('\\\\pL{500}')").expect_err("too large");
    assert!(huge.what.contains("pattern"), "{huge:?}");
}

#[test]
fn an_escape_has_digits_only() {
    assert!(Program::compile("'\\x+1' == ''").is_err());
    assert!(run("'\\x41' == 'A'").0);
}
