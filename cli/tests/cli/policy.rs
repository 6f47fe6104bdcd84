//! `flowctl policy`: files checked and asked, and no server anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::{assert_fails, err, flowctl, out};

const POLICY: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
";
const WORLD: &str = "endpoints:
  - {name: web, namespace: shop, labels: {app: web}, ips: [10.0.0.1]}
  - {name: client, namespace: shop, labels: {app: client}, ips: [10.0.0.2]}
externals: [{name: office, ip: 203.0.113.7}]
";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/policies")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}

/// Writes files into a directory of their own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Asks the cases of one file about the policies of another.
fn test(policies: &Path, world: &Path, cases: &Path, format: &str) -> Output {
    let [policies, world, cases] = [policies, world, cases].map(text);
    flowctl(&[
        "policy",
        "test",
        "--policies",
        policies,
        "--world",
        world,
        "--cases",
        cases,
        "-o",
        format,
    ])
}

#[test]
fn every_example_is_valid_and_what_is_not_enforced_is_noted() {
    let directory = examples();
    let output = flowctl(&["policy", "validate", "-o", "json", text(&directory)]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let outcome = json(&output);
    assert_eq!(outcome["valid"], true);
    assert!(outcome["counts"]["files"].as_u64() >= Some(45), "{outcome}");
    let findings = outcome["findings"].as_array().expect("a list");
    for (name, path) in [
        ("41-http-paths.yaml", "spec.ingress[0].toPorts[0].rules"),
        ("42-names-outside.yaml", "spec.egress[1].toFQDNs"),
        (
            "43-tls-server-names.yaml",
            "spec.egress[0].toPorts[0].serverNames",
        ),
    ] {
        let told = findings.iter().any(|finding| {
            finding["severity"] == "note"
                && finding["file"] == text(&directory.join(name))
                && finding["path"] == path
                && finding["line"].as_u64() > Some(1)
                && finding["help"] != ""
        });
        assert!(told, "{name}: {outcome}");
    }
}

#[test]
fn every_example_answers_its_cases_as_they_expect() {
    let directory = examples();
    let mut answered = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .expect("examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|known| known == "yaml"))
        .collect();
    files.sort();
    for policy in &files {
        let cases = directory
            .join("cases")
            .join(policy.file_name().expect("a name"));
        let world = directory.join("cases/world.yaml");
        let output = test(policy, &world, &cases, "json");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{policy:?}: {}",
            err(&output)
        );
        let answers = json(&output);
        let answers = answers.as_array().expect("a list");
        for verdict in [true, false] {
            let some = answers.iter().any(|answer| answer["allowed"] == verdict);
            assert!(some, "{policy:?}: no case with allowed: {verdict}");
        }
        // None is without an expectation.
        let told = format!(
            "{0} cases: {0} say what they expect, 0 differ",
            answers.len()
        );
        assert!(err(&output).contains(&told), "{}", err(&output));
        answered += answers.len();
    }
    assert!(files.len() >= 45, "{}", files.len());
    assert!(answered > 3 * files.len(), "{answered}");
}

#[test]
fn a_mistake_is_told_with_its_place_its_path_and_what_would_be_right() {
    let wrong = POLICY.replace("  ingress:", "  ingres:");
    let folder = folder(&[
        ("a.yaml", POLICY),
        ("b.yaml", &wrong),
        ("c.txt", "no policy"),
    ]);
    let output = flowctl(&["policy", "validate", text(folder.path())]);
    assert_eq!(output.status.code(), Some(1));
    let b = folder.path().join("b.yaml");
    let lines = out(&output);
    assert_eq!(
        lines,
        format!(
            "{}:6:3: error: spec.ingres: unknown field (did you mean ingress?)\n\
             2 files: 1 error, 0 notes; 1 valid policy (0 not enforced in full, failing closed), \
             0 CIDR groups\n",
            b.display()
        )
    );
    let output = flowctl(&["policy", "validate", text(&b), "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let outcome = json(&output);
    let found = &outcome["findings"][0];
    assert_eq!(outcome["valid"], false);
    assert_eq!((&found["line"], &found["column"]), (&6.into(), &3.into()));
    assert_eq!(found["path"], "spec.ingres");
    assert_eq!(found["message"], "unknown field");
}

#[test]
fn files_that_are_no_text_or_too_large_are_findings() {
    let folder = folder(&[("large.yaml", &"# wide\n".repeat(700_000))]);
    fs::write(folder.path().join("bytes.yaml"), [0xff, 0xfe]).expect("written");
    let output = flowctl(&["policy", "validate", text(folder.path())]);
    assert_eq!(output.status.code(), Some(1));
    let lines = out(&output);
    for word in [
        "bytes.yaml: error: cannot be read",
        "large.yaml: error: has 4900000 bytes",
    ] {
        assert!(lines.contains(word), "{lines}");
    }
}

#[test]
fn a_name_that_is_given_twice_is_noted_and_valid() {
    let folder = folder(&[("a.yaml", POLICY), ("b.yaml", POLICY)]);
    let output = flowctl(&["policy", "validate", text(folder.path())]);
    assert_eq!(output.status.code(), Some(0));
    let lines = out(&output);
    let note = "b.yaml:1:1: note: metadata.name: CiliumNetworkPolicy/shop/web is in ";
    assert!(lines.contains(note), "{lines}");
}

#[test]
fn a_check_of_nothing_is_a_mistake() {
    let empty = folder(&[]);
    for paths in [&["/nonexistent/policies"][..], &[text(empty.path())], &[]] {
        let output = flowctl(&[&["policy", "validate"], paths].concat());
        assert_eq!(output.status.code(), Some(2), "{paths:?}");
        assert_eq!(out(&output), "");
    }
}

#[test]
fn an_answer_has_the_verdict_of_both_ends_and_who_decided() {
    let cases = "- {id: 1, from: shop/client, to: shop/web, protocol: TCP, port: 80}
- {id: 2, from: office, to: shop/web, protocol: TCP, port: 80}
";
    let folder = folder(&[("p.yaml", POLICY), ("w.yml", WORLD), ("c.yml", cases)]);
    let [policy, world, cases] = ["p.yaml", "w.yml", "c.yml"].map(|name| folder.path().join(name));
    let output = test(&policy, &world, &cases, "json");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let unenforced = serde_json::json!({
        "verdict": "unenforced", "reason": "no policy selects the workload", "policies": []
    });
    let by = "CiliumNetworkPolicy/shop/web";
    let expected = serde_json::json!([
        {"id": "1", "egress": unenforced, "allowed": true,
         "ingress": {"verdict": "allowed", "reason": "allowed by a rule", "policies": [by]}},
        {"id": "2", "allowed": false,
         "egress": {"verdict": "unenforced", "reason": "not a workload", "policies": []},
         "ingress": {"verdict": "denied", "reason": "no rule allows it", "policies": [by]}},
    ]);
    assert_eq!(json(&output), expected);
    let table = out(&test(&policy, &world, &cases, "table"));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[2].starts_with("2      denied"), "{table}");
    assert!(
        lines[2].ends_with(&format!("no rule allows it: {by}")),
        "{table}"
    );
}

#[test]
fn a_verdict_that_was_not_expected_and_an_unknown_end_fail() {
    let cases = "- {id: a, from: office, to: shop/web, protocol: TCP, port: 80, expect: allowed}
- {id: b, from: office, to: shop/web, protocol: TCP, port: 80, expect: denied}
";
    let unknown = "- {id: c, from: shop/clint, to: shop/web, protocol: TCP, port: 80}\n";
    let folder = folder(&[
        ("p.yaml", POLICY),
        ("w.yml", WORLD),
        ("c.yml", cases),
        ("u.yml", unknown),
        ("b.yml", "- {id: d}\n"),
    ]);
    let file = |name: &str| folder.path().join(name);
    let ask = |cases| test(&file("p.yaml"), &file("w.yml"), &file(cases), "table");
    assert_fails(
        &ask("c.yml"),
        1,
        &[
            "case a (line 1): expected allowed, is denied",
            "2 say what they expect, 1 differ",
        ],
    );
    assert_fails(
        &ask("u.yml"),
        1,
        &["u.yml:1:1: error: c: the world has no \"shop/clint\""],
    );
    assert_fails(&ask("b.yml"), 1, &["b.yml:1:", "is missing"]);
    assert_fails(&ask("none.yml"), 1, &["none.yml: error: cannot be read"]);
}
