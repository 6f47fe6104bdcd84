//! `docs/conformance.md` against the tree and the proto files: no row without a test that is there,
//! no RPC, request field or filter without a row.

use std::{fs, path::Path};

use flowd_proto::descriptor::message;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the daemon is a folder of the workspace")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/conformance.md")).expect("the page is there")
}

/// Words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_named_is_there() {
    let page = page();
    let mut named = 0;
    for name in quoted(&page) {
        let Some((file, path)) = name.split_once("::") else {
            continue;
        };
        let text = fs::read_to_string(root().join(file));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        let function = path.rsplit("::").next().unwrap_or(path);
        let keyword = if file.ends_with(".py") { "def" } else { "fn" };
        assert!(
            text.contains(&format!("{keyword} {function}(")),
            "{name} is not there"
        );
        named += 1;
    }
    assert!(named > 100, "{named} tests named");
}

#[test]
fn every_row_has_a_test_or_says_why_not() {
    for line in page().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let proof = cells.last().copied().unwrap_or_default();
        assert!(
            quoted(proof).next().is_some() || line.contains("left out: "),
            "no test: {line}"
        );
    }
}

#[test]
fn everything_of_the_contract_has_a_row() {
    let page = page();
    let section = |title: &str| {
        let start = page.find(&format!("\n## {title}\n"));
        let rest = &page[start.unwrap_or_else(|| panic!("no section {title}")) + 1..];
        rest.find("\n## ").map_or(rest, |end| &rest[..end])
    };
    for (title, name) in [
        ("GetFlowsRequest", "observer.GetFlowsRequest"),
        ("GetAgentEventsRequest", "observer.GetAgentEventsRequest"),
        ("FlowFilter", "flow.FlowFilter"),
        ("FlowExtensionFilter", "flowd.v1.FlowExtensionFilter"),
        ("ConnectionsRequest", "flowd.v1.ConnectionsRequest"),
        ("TopRequest", "flowd.v1.TopRequest"),
    ] {
        let rows = section(title);
        for field in &message(name).expect("a message").fields {
            let row = format!("\n| `{}` |", field.name);
            assert!(rows.contains(&row), "{name}.{} has no row", field.name);
        }
    }
    let rows = section("RPCs");
    for (file, service) in [
        ("observer/observer.proto", "observer.Observer"),
        ("peer/peer.proto", "peer.Peer"),
        ("flowd/v1/timeline.proto", "flowd.v1.Timeline"),
        ("flowd/v1/aggregate.proto", "flowd.v1.Aggregates"),
    ] {
        let proto = fs::read_to_string(root().join("proto/proto").join(file));
        for line in proto.expect("a file").lines() {
            if let Some((name, _)) = line
                .trim()
                .strip_prefix("rpc ")
                .and_then(|rest| rest.split_once('('))
            {
                let row = format!("\n| `{service}/{name}` |");
                assert!(rows.contains(&row), "{service}/{name} has no row");
            }
        }
    }
}
