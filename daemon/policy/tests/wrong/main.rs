//! Wrong policies, each with exactly what must be said about it.
//!
//! The tables beside this file hold the cases.

mod table;

use flowd_policy::parse;
use table::whole;

#[test]
fn every_finding_is_exact() {
    let cases = table::cases();
    for case in &cases {
        let expected: Vec<&str> = case
            .findings
            .lines()
            .filter(|line| !line.is_empty())
            .collect();
        assert!(
            !expected.is_empty(),
            "a case without a finding: {}",
            case.text
        );
        assert_eq!(
            findings(&case.text),
            expected,
            "{}: {}",
            case.table,
            case.text
        );
    }
    println!("{} wrong policies", cases.len());
    assert!(cases.len() >= 110, "{}", cases.len());
}

fn findings(text: &str) -> Vec<String> {
    match parse("p.yaml", text) {
        Ok(policies) => panic!("accepted {text}: {policies:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn an_endless_label_is_one_short_finding() {
    let label = |size: usize| {
        let value = "x".repeat(size);
        whole(
            "headed",
            &format!("spec: {{endpointSelector: {{matchLabels: {{app: {value}}}}}}}"),
        )
    };
    let [finding] = &findings(&label(10 << 20))[..] else {
        panic!("one finding")
    };
    assert!(
        finding.ends_with("bytes; a file may have at most 4194304"),
        "{finding}"
    );
    let [finding] = &findings(&label(1 << 20))[..] else {
        panic!("one finding")
    };
    assert!(
        finding.contains("(1048576 bytes)\" is not a label value"),
        "{finding}"
    );
    assert!(finding.len() < 250, "{finding}");
}

#[test]
fn too_many_ports() {
    let ports = ["{port: '80'}"; 41].join(", ");
    let [finding] = &findings(&whole("rule", &format!("toPorts: [{{ports: [{ports}]}}]")))[..]
    else {
        panic!("one finding")
    };
    assert!(
        finding.contains("lists 41 ports; at most 40 are allowed"),
        "{finding}"
    );
}

#[test]
fn findings_are_told_up_to_a_bound() {
    let entities = ["x"; 1000].join(", ");
    assert_eq!(
        findings(&whole("rule", &format!("fromEntities: [{entities}]"))).len(),
        64
    );
}
