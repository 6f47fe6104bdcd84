//! What plugins are read from, and what a mistake is told.

use serde_json::json;

use super::*;

fn one(text: &str) -> PluginSpec {
    let specs = parse(text).unwrap();
    assert_eq!(specs.len(), 1);
    specs.into_iter().next().unwrap()
}

#[track_caller]
fn refused(list: &serde_json::Value, parts: &[&str]) {
    let error = parse_list(list).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[test]
fn hubbles_strings_are_read() {
    let spec = one(
        "drop:sourceContext=workload|reserved-identity;destinationContext=dns|ip;\
         labelsContext=traffic_direction,source_namespace",
    );
    let source = spec.contexts.source.as_ref().unwrap();
    assert_eq!(
        source.base,
        [Identifier::Workload, Identifier::ReservedIdentity]
    );
    assert_eq!(
        spec.contexts.names(),
        [
            "source_namespace",
            "traffic_direction",
            "source",
            "destination"
        ]
    );
    assert!(spec.contexts.needs_addresses());
    let specs = parse("flow tcp\n icmp  flows-to-world:any-drop;port;syn-only=false").unwrap();
    assert_eq!(specs.len(), 4);
    let wanted = Options {
        any_drop: true,
        port: true,
        syn_only: false,
    };
    assert_eq!(specs[3].options, wanted);
}

#[test]
fn every_plugin_of_hubble_and_its_options_are_known() {
    for text in [
        "dns:query;ignoreAAAA;labelsContext=source_namespace,destination_namespace",
        "drop",
        "flow",
        "flows-to-world:any-drop;port;syn-only",
        "http",
        "httpV2:exemplars=true;sourceContext=workload-name|app|pod-name",
        "icmp",
        "kafka",
        "policy:sourceContext=app|workload-name|pod|reserved-identity",
        "port-distribution",
        "sctp",
        "tcp",
        "connection",
    ] {
        one(text);
    }
}

#[test]
fn the_form_of_hubbles_file_is_read() {
    let list = json!([
        "flow",
        {
            "name": "drop",
            "contextOptions": [
                {"name": "sourceContext", "values": ["pod", "ip"]},
                {"name": "labelsContext", "values": ["destination_namespace", "source_app"]},
            ],
            "includeFilters": [{"source_pod": ["prod/"]}],
            "excludeFilters": [{"verdict": ["AUDIT"]}],
        },
    ]);
    let specs = parse_list(&list).unwrap();
    let drop = &specs[1];
    assert_eq!(
        drop.contexts.names(),
        ["source_app", "destination_namespace", "source"]
    );
    assert_eq!(drop.include[0].source_pod, ["prod/"]);
    assert_eq!(drop.exclude.len(), 1);
}

#[test]
fn an_override_belongs_to_one_direction() {
    let spec = one("drop:sourceIngressContext=ip;sourceContext=pod;sourceEgressContext=app|pod");
    let wanted = SideSpec {
        base: vec![Identifier::Pod],
        egress: Some(vec![Identifier::App, Identifier::Pod]),
        ingress: Some(vec![Identifier::Ip]),
    };
    assert_eq!(spec.contexts.source, Some(wanted));
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    refused(&json!("flows"), &["\"flows\"", "flow, drop"]);
    refused(
        &json!("drop:srcContext=pod"),
        &["drop", "srcContext", "sourceContext"],
    );
    refused(
        &json!("drop:sourceContext=pod-short"),
        &["pod-short", "pod-name"],
    );
    refused(
        &json!("drop:labelsContext=source_pod,node"),
        &["node", "source_workload_kind"],
    );
    refused(
        &json!("flows-to-world:port=80"),
        &["port", "80", "true, false"],
    );
    refused(
        &json!("drop:destinationEgressContext=pod"),
        &["destinationEgressContext", "destinationContext"],
    );
    refused(&json!(["drop", "flow drop"]), &["drop", "twice"]);
    refused(&json!([{"name": "drop", "filters": []}]), &["filters"]);
    refused(
        &json!([{"name": "drop", "includeFilters": [{"pod": ["x"]}]}]),
        &["drop", "includeFilters", "pod"],
    );
    refused(&json!({"drop": {}}), &["list"]);
}
