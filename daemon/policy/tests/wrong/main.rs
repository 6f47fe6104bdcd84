//! Wrong policies, each with exactly what must be said about it.
//!
//! The tables beside this file hold the cases: `== kind`, a text, `--`, and the findings. The kind
//! says what stands around the text, so that a case shows only what is wrong.

use flowd_policy::parse;

/// What stands above the spec in most cases; the spec is in line 4.
const HEAD: &str = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n";

const TABLES: [(&str, &str); 6] = [
    ("documents", include_str!("documents.txt")),
    ("specs", include_str!("specs.txt")),
    ("selectors", include_str!("selectors.txt")),
    ("peers", include_str!("peers.txt")),
    ("network_policies", include_str!("network_policies.txt")),
    ("destinations", include_str!("destinations.txt")),
];

#[test]
fn every_finding_is_exact() {
    let mut cases = 0;
    for (table, text) in TABLES {
        for case in text.split("== ").skip(1) {
            let (kind, rest) = case.split_once('\n').unwrap();
            let (text, expected) = rest.split_once("\n--\n").unwrap();
            let expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
            assert!(
                !expected.is_empty(),
                "{table}: a case without a finding: {text}"
            );
            assert_eq!(findings(&whole(kind, text)), expected, "{table}: {text}");
            cases += 1;
        }
    }
    assert!(cases >= 70, "{cases}");
}

fn whole(kind: &str, text: &str) -> String {
    match kind {
        "doc" => text.to_owned(),
        "headed" => format!("{HEAD}{text}\n"),
        "spec" => whole(
            "headed",
            &format!("spec:\n  endpointSelector: {{}}\n  {text}"),
        ),
        "rule" => whole("spec", &format!("ingress:\n  - {text}")),
        "port" => whole("rule", &format!("toPorts: [{{ports: [{{{text}}}]}}]")),
        "knp" => whole(
            "doc",
            &format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                 metadata: {{name: p}}\nspec:\n  {text}\n"
            ),
        ),
        other => panic!("unknown kind {other}"),
    }
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
