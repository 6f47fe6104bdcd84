//! Settings change while flows go on.

use super::*;

#[test]
fn a_plugin_that_stays_the_same_keeps_its_series() {
    let mut world = World::new(100);
    configured(&world, "flow:sourceContext=pod drop:sourceContext=pod tcp");
    world.tell(&[open(), dropped()]);
    // Another filter, another order, another plugin, one with other contexts.
    let plugins = serde_json::json!([
        "tcp:sourceContext=app",
        {
            "name": "flow",
            "contextOptions": [{"name": "sourceContext", "values": ["pod"]}],
            "excludeFilters": [{"protocol": ["udp"]}],
        },
        "icmp", "drop:sourceContext=pod",
    ]);
    let settings = Settings {
        plugins: plugin::parse_list(&plugins).unwrap(),
        ..Settings::default()
    };
    set(&world, &settings);
    world.tell(&[open(), dropped()]);
    let text = scrape(&world);
    assert_eq!(
        sum(
            &text,
            "hubble_flows_processed_total",
            &["frontend-1", "TCP"]
        ),
        2
    );
    assert_eq!(sum(&text, "hubble_flows_processed_total", &["UDP"]), 1);
    assert_eq!(sum(&text, "hubble_drop_total", &[]), 2);
    has(
        &text,
        r#"hubble_tcp_flags_total{family="IPv4",flag="SYN",source="frontend"} 1"#,
    );
    configured(&world, "icmp");
    assert_eq!(sum(&scrape(&world), "hubble_drop_total", &[]), 0);
}

#[test]
fn another_budget_starts_its_family_over() {
    let mut world = World::new(100);
    let settings = configured(&world, "flow tcp");
    world.tell(&[open()]);
    let budgets = [("hubble_tcp_flags_total".to_owned(), 64)].into();
    set(
        &world,
        &Settings {
            budgets,
            ..settings
        },
    );
    let text = scrape(&world);
    assert_eq!(sum(&text, "hubble_flows_processed_total", &[]), 1);
    assert_eq!(sum(&text, "hubble_tcp_flags_total", &[]), 0);
}

#[test]
fn a_wrong_filter_changes_nothing() {
    let mut world = World::new(100);
    world.tell(&[open()]);
    let mut settings = Settings::default();
    settings.plugins[0]
        .include
        .push(flowd_proto::flow::FlowFilter {
            source_ip: vec!["no address".to_owned()],
            ..Default::default()
        });
    let context = filter::Context {
        directory: world.sources.directory.clone(),
        boot: world.sources.boot,
        scope: Default::default(),
    };
    let refused = world.sources.flows.configure(&settings, &context);
    assert!(refused.unwrap_err().to_string().contains("no address"));
    assert_eq!(sum(&scrape(&world), "hubble_flows_processed_total", &[]), 1);
}

#[test]
fn hubbles_dashboards_find_their_clusters_when_asked_to() {
    let world = World::new(10);
    assert!(!scrape(&world).contains("cilium_version"));
    let settings = Settings {
        cilium_version: true,
        ..Settings::default()
    };
    set(&world, &settings);
    assert_eq!(series(&scrape(&world), "cilium_version{"), 1);
}
