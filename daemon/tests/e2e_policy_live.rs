//! The cases of every example policy with real packets: what the wire does and what the flows of both
//! ends tell is what `flowctl policy test` answers without a daemon; and `--live` of that command.

mod support;

use std::{fs, path::PathBuf, process::Command};

use flowd_policy::cases::Case;
use flowd_testbed::{binary, cases::LiveCases};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/policies")
}

fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The examples by name, each with its cases.
fn examples() -> Vec<(String, Vec<Case>)> {
    let entries = fs::read_dir(directory()).expect("the examples are there");
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    let cases = |name: &String| Case::read(name, &text(&format!("cases/{name}"))).expect("cases");
    names
        .into_iter()
        .map(|name| {
            let cases = cases(&name);
            (name, cases)
        })
        .collect()
}

#[test]
fn every_example_does_on_the_wire_what_its_cases_say_offline() {
    support::build_flowctl();
    let examples = examples();
    let cases: Vec<Case> = examples
        .iter()
        .flat_map(|(_, cases)| cases.clone())
        .collect();
    let place = tempfile::tempdir().expect("a directory");
    let flowd = PathBuf::from(env!("CARGO_BIN_EXE_flowd"));
    let world = text("cases/world.yaml");
    let mut live = LiveCases::open(&flowd, place.path(), &world, &cases).expect("a world");
    let (mut tried, mut ends) = (0, 0);
    let (mut differences, mut skipped) = (Vec::new(), Vec::new());
    for (name, cases) in &examples {
        let answers = live.try_all(name, &text(name), cases);
        for answer in answers.unwrap_or_else(|error| panic!("{name}: {error:#}")) {
            let id = format!("{name}/{}", answer.offline.id);
            match (answer.live, answer.skipped) {
                (Some(live), _) => {
                    tried += 1;
                    ends += live.ends;
                    let told = live.differences.iter();
                    differences.extend(told.map(|what| format!("{id}: {what}")));
                }
                (None, why) => skipped.push(format!("{id}: {}", why.unwrap_or_default())),
            }
        }
    }
    println!(
        "{} examples, {} cases: {tried} tried on the wire, {ends} ends compared with their flows, {} \
         differ; {} not expressible here:\n  {}",
        examples.len(),
        cases.len(),
        differences.len(),
        skipped.len(),
        skipped.join("\n  ")
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(tried + skipped.len(), cases.len());
    assert!(skipped.len() * 20 < cases.len(), "too much is left out");
}

#[test]
fn the_command_tries_cases_and_compares_both_answers() {
    support::build_flowctl();
    let examples = directory();
    let run = |policies: &str, cases: &str| {
        let mut command = Command::new(binary("flowctl").expect("flowctl"));
        command.args(["policy", "test", "--live", "-o", "json", "--policies"]);
        command.arg(examples.join(policies)).arg("--world");
        command
            .arg(examples.join("cases/world.yaml"))
            .arg("--cases");
        command.arg(examples.join("cases").join(cases));
        command.output().expect("it runs")
    };
    let output = run("28-deny-beats-allow.yaml", "28-deny-beats-allow.yaml");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let answers: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let answers = answers.as_array().expect("a list");
    assert!(answers.len() > 1, "{answers:?}");
    for answer in answers {
        assert_eq!(answer["live"]["agree"], true, "{answer}");
        assert_eq!(answer["live"]["allowed"], answer["allowed"], "{answer}");
        assert!(answer["egress"]["verdict"].is_string(), "{answer}");
    }
    // Cases that expect what other policies do: both answers agree, and neither is the expected one.
    let output = run("29-quarantine.yaml", "28-deny-beats-allow.yaml");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(" 0 differ from the policies"), "{said}");
}
