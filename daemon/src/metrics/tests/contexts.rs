//! The labels that say who a flow is about.

use super::*;

#[test]
fn the_first_that_is_known_names_a_side() {
    let mut world = World::new(100);
    configured(
        &world,
        "flow:sourceContext=workload|pod|ip;destinationContext=dns|pod-name|reserved-identity",
    );
    world.tell(&[open(), dropped(), ping()]);
    let text = scrape(&world);
    for line in [
        r#"hubble_flows_processed_total{destination="backend-1",protocol="TCP",source="shop/frontend",subtype="",type="PolicyVerdict",verdict="FORWARDED"} 1"#,
        r#"hubble_flows_processed_total{destination="frontend-1",protocol="UDP",source="192.0.2.9",subtype="",type="Drop",verdict="DROPPED"} 1"#,
        r#"hubble_flows_processed_total{destination="reserved:unknown",protocol="ICMPv6",source="shop/frontend",subtype="from-endpoint",type="Trace",verdict="FORWARDED"} 1"#,
    ] {
        has(&text, line);
    }
}

#[test]
fn every_identifier_says_what_hubble_says() {
    for (identifier, source, destination) in [
        (
            "identity",
            "k8s:app=frontend,k8s:io.kubernetes.pod.namespace=shop",
            "k8s:app=backend,k8s:io.kubernetes.pod.namespace=shop",
        ),
        ("namespace", "shop", "shop"),
        ("pod", "shop/frontend-1", "shop/backend-1"),
        ("pod-name", "frontend-1", "backend-1"),
        ("dns", "", ""),
        ("ip", "10.0.0.1", "10.0.0.2"),
        ("reserved-identity", "", ""),
        ("workload", "shop/frontend", "shop/backend"),
        ("workload-name", "frontend", "backend"),
        ("app", "frontend", "backend"),
    ] {
        let mut world = World::new(10);
        configured(
            &world,
            &format!("tcp:sourceContext={identifier};destinationContext={identifier}"),
        );
        world.tell(&[open()]);
        let line = format!(
            r#"hubble_tcp_flags_total{{destination="{destination}",family="IPv4",flag="SYN",source="{source}"}} 1"#
        );
        has(&scrape(&world), &line);
    }
}

#[test]
fn every_single_label_is_there() {
    let mut world = World::new(10);
    let all = plugin::ContextLabel::ALL.map(|(name, _)| name).join(",");
    configured(&world, &format!("tcp:labelsContext={all}"));
    world.tell(&[open(), reply()]);
    let text = scrape(&world);
    for (flag, source, destination, [from, to]) in [
        ("SYN", "frontend", "backend", ["10.0.0.1", "10.0.0.2"]),
        ("SYN-ACK", "backend", "frontend", ["10.0.0.2", "10.0.0.1"]),
    ] {
        let line = format!(
            "hubble_tcp_flags_total{{destination_app=\"{destination}\",destination_ip=\"{to}\",\
             destination_namespace=\"shop\",destination_pod=\"{destination}-1\",\
             destination_workload=\"{destination}\",destination_workload_kind=\"Deployment\",\
             family=\"IPv4\",flag=\"{flag}\",source_app=\"{source}\",source_ip=\"{from}\",\
             source_namespace=\"shop\",source_pod=\"{source}-1\",source_workload=\"{source}\",\
             source_workload_kind=\"Deployment\",traffic_direction=\"egress\"}} 1"
        );
        has(&text, &line);
    }
}

#[test]
fn a_direction_may_name_a_side_in_its_own_way() {
    let mut world = World::new(10);
    configured(
        &world,
        "flow:sourceContext=pod;sourceEgressContext=app;sourceIngressContext=ip",
    );
    world.tell(&[open(), dropped()]);
    let text = scrape(&world);
    assert_eq!(
        sum(
            &text,
            "hubble_flows_processed_total",
            &[r#"source="frontend""#]
        ),
        1
    );
    assert_eq!(
        sum(
            &text,
            "hubble_flows_processed_total",
            &[r#"source="192.0.2.9""#]
        ),
        1
    );
}

#[test]
fn filters_choose_what_a_plugin_counts() {
    let mut world = World::new(10);
    let plugins = serde_json::json!([
        {"name": "flow", "includeFilters": [{"source_pod": ["shop/frontend-1"]}]},
        {"name": "tcp", "excludeFilters": [{"destination_port": ["8080"]}]},
    ]);
    let settings = Settings {
        plugins: plugin::parse_list(&plugins).unwrap(),
        ..Settings::default()
    };
    set(&world, &settings);
    let elsewhere = Event {
        remote_port: 443,
        ..open()
    };
    world.tell(&[open(), elsewhere, dropped()]);
    let text = scrape(&world);
    assert_eq!(sum(&text, "hubble_flows_processed_total", &[]), 2);
    assert_eq!(sum(&text, "hubble_tcp_flags_total", &[]), 1);
}

#[test]
fn flows_to_the_world_have_their_options() {
    let world_flow = |verdict, kind| Event {
        remote: Address::v4([198, 51, 100, 1]),
        peer_identity: 2,
        ..judged(kind, verdict)
    };
    let opened = world_flow(
        Verdict::Forward(flowd_abi::ForwardReason::Allowed),
        EventKind::Open,
    );
    let later = Event {
        tcp_flags: 0x10,
        kind: EventKind::Update as u8,
        ..opened
    };
    let denied = world_flow(Verdict::Drop(DropReason::RuleDenied), EventKind::Drop);
    let events = [opened, later, denied];
    for (options, [forwarded, dropped]) in [
        ("", [2, 0]),
        (":any-drop", [2, 1]),
        (":any-drop;syn-only", [1, 1]),
    ] {
        let mut world = World::new(10);
        configured(&world, &format!("flows-to-world{options}"));
        world.tell(&events);
        let text = scrape(&world);
        let count = |verdict| sum(&text, "hubble_flows_to_world_total", &[verdict]);
        assert_eq!(
            [count("FORWARDED"), count("DROPPED")],
            [forwarded, dropped],
            "{options}"
        );
    }
    let mut world = World::new(10);
    configured(&world, "flows-to-world:port");
    world.tell(&events);
    has(
        &scrape(&world),
        r#"hubble_flows_to_world_total{port="8080",protocol="TCP",verdict="FORWARDED"} 2"#,
    );
}

#[test]
fn connections_are_measured_when_they_end() {
    let mut world = World::new(10);
    configured(&world, "connection:sourceContext=pod");
    let closed = Event {
        time: 3_000_000_000,
        created: 1_000_000_000,
        sent_bytes: 700,
        received_bytes: 5_000_000,
        state: 4,
        ..judged(
            EventKind::Close,
            Verdict::Forward(flowd_abi::ForwardReason::Allowed),
        )
    };
    let reset = Event { state: 5, ..closed };
    let forgotten = Event { state: 2, ..closed };
    world.tell(&[open(), reply(), closed, reset, forgotten]);
    let text = scrape(&world);
    let labels = r#"direction="egress",end="closed",protocol="TCP",source="shop/frontend-1""#;
    for line in [
        r#"flowd_connections_opened_total{direction="egress",protocol="TCP",source="shop/frontend-1",verdict="FORWARDED"} 1"#.to_owned(),
        format!("flowd_connection_duration_seconds_bucket{{{labels},le=\"1\"}} 0"),
        format!("flowd_connection_duration_seconds_bucket{{{labels},le=\"5\"}} 1"),
        format!("flowd_connection_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1"),
        format!("flowd_connection_duration_seconds_sum{{{labels}}} 2"),
        format!("flowd_connection_duration_seconds_count{{{labels}}} 1"),
        r#"flowd_connection_bytes_sum{direction="egress",protocol="TCP",source="shop/frontend-1",way="sent"} 2100"#.to_owned(),
        r#"flowd_connection_bytes_count{direction="egress",protocol="TCP",source="shop/frontend-1",way="received"} 3"#.to_owned(),
    ] {
        has(&text, &line);
    }
    for end in ["reset", "timed_out"] {
        let part = format!("end=\"{end}\"");
        assert_eq!(
            sum(&text, "flowd_connection_duration_seconds_count", &[&part]),
            1
        );
    }
}

#[test]
fn what_no_flow_has_is_announced_without_series() {
    let world = World::new(10);
    configured(&world, "dns:query http httpV2:exemplars=true sctp kafka");
    let text = scrape(&world);
    for family in [
        "hubble_dns_queries_total",
        "hubble_dns_responses_total",
        "hubble_dns_response_types_total",
        "hubble_http_requests_total",
        "hubble_http_responses_total",
        "hubble_http_request_duration_seconds",
        "hubble_sctp_chunk_types_total",
        "hubble_kafka_requests_total",
        "hubble_kafka_request_duration_seconds",
    ] {
        assert_eq!(
            text.matches(&format!("# TYPE {family} ")).count(),
            1,
            "{family}"
        );
        assert_eq!(series(&text, family), 0);
    }
}
