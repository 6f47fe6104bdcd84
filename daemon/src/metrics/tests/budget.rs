//! Strangers choose addresses and ports: the scrape keeps to its budget, nothing goes uncounted.

use super::*;

/// Sources of the scan; each asks ten ports of ten thousand.
const SOURCES: u32 = 10_000;
const PORTS: u32 = 65_536;
const EVENTS: u32 = 100_000;

fn scan(number: u32) -> Event {
    let source = (0xc633_0000_u32 + number % SOURCES).to_be_bytes();
    Event {
        remote: Address::v4(source),
        peer_identity: 2,
        direction: Direction::Ingress as u8,
        origin: Direction::Ingress as u8,
        local_port: (number % PORTS) as u16,
        remote_port: (number / 2) as u16,
        protocol: if number < PORTS {
            flowd_abi::protocol::TCP
        } else {
            flowd_abi::protocol::UDP
        },
        ..open()
    }
}

fn denied(number: u32) -> Event {
    let (verdict, reason) = Verdict::Drop(DropReason::DefaultDenied).to_numbers();
    Event {
        kind: EventKind::Drop as u8,
        verdict,
        reason,
        rule: 0,
        ..scan(number)
    }
}

/// Every sample of a family of the plugins, whatever its sub-series.
fn lines(text: &str, family: &str) -> usize {
    let of = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        base == family || name == family
    };
    text.lines().filter(of).count()
}

#[test]
fn a_scan_from_ten_thousand_sources_over_a_hundred_thousand_ports_keeps_to_the_budget() {
    let mut world = World::new(1_000);
    let plugins = "flow:labelsContext=source_ip drop:sourceContext=ip port-distribution \
                   tcp:labelsContext=source_ip,destination_pod policy:sourceContext=ip icmp \
                   connection:sourceContext=ip";
    let settings = Settings {
        budget: 500,
        ..configured(&world, plugins)
    };
    set(&world, &settings);
    let (mut sizes, mut told) = (Vec::new(), 0);
    for scanned in [EVENTS, EVENTS / 10] {
        let mut events = Vec::new();
        for number in 0..scanned {
            events.push(scan(number));
            events.push(denied(number));
            if events.len() >= 10_000 {
                world.tell(&events);
                events.clear();
            }
        }
        world.tell(&events);
        let text = scrape(&world);
        told += u64::from(scanned);
        for (family, all) in [
            ("hubble_flows_processed_total", 2 * told),
            ("hubble_drop_total", told),
            ("hubble_port_distribution_total", told),
            ("hubble_policy_verdicts_total", 2 * told),
            ("flowd_connections_opened_total", told),
        ] {
            assert_eq!(sum(&text, family, &[]), all, "{family}");
            let lines = lines(&text, family);
            assert!((400..=500).contains(&lines), "{family}: {lines}");
            let folded = sum(
                &text,
                "flowd_metrics_series_folded_total",
                &[&format!("\"{family}\"")],
            );
            assert!(folded > 0 && folded < all, "{family}: {folded}");
        }
        assert_eq!(
            sum(
                &text,
                "hubble_port_distribution_total",
                &[r#"port="other""#]
            ),
            sum(
                &text,
                "flowd_metrics_series_folded_total",
                &["port_distribution"]
            )
        );
        sizes.push(text.lines().count());
    }
    assert_eq!(sizes[0], sizes[1], "the second scan adds no line");
    assert!(sizes[0] < 8 * 500 + 200, "{} lines", sizes[0]);
}

#[test]
fn the_histograms_keep_to_the_budget_too() {
    let mut world = World::new(1_000);
    let settings = Settings {
        budget: 300,
        ..configured(&world, "connection:sourceContext=ip")
    };
    set(&world, &settings);
    let closes: Vec<Event> = (0..5_000)
        .map(|number| Event {
            kind: EventKind::Close as u8,
            ..scan(number)
        })
        .collect();
    world.tell(&closes);
    let text = scrape(&world);
    for family in [
        "flowd_connection_duration_seconds",
        "flowd_connection_bytes",
    ] {
        let lines = lines(&text, family);
        assert!((250..=300).contains(&lines), "{family}: {lines}");
    }
    assert_eq!(
        sum(&text, "flowd_connection_duration_seconds_count", &[]),
        5_000
    );
    assert_eq!(sum(&text, "flowd_connection_bytes_count", &[]), 10_000);
}

#[test]
fn a_family_may_have_a_budget_of_its_own() {
    let mut world = World::new(1_000);
    let family = "hubble_port_distribution_total";
    let settings = Settings {
        budgets: [(family.to_owned(), 64)].into(),
        ..configured(&world, "port-distribution flow")
    };
    set(&world, &settings);
    world.tell(&(0..1_000).map(scan).collect::<Vec<_>>());
    let text = scrape(&world);
    assert_eq!(series(&text, &format!("{family}{{")), 64);
    has(
        &text,
        &format!("flowd_metrics_series{{family=\"{family}\"}} 64"),
    );
    has(
        &text,
        &format!("flowd_metrics_series_budget{{family=\"{family}\"}} 64"),
    );
}

#[test]
fn the_series_of_a_workload_go_with_it() {
    let mut world = World::new(100);
    configured(&world, "flow:sourceContext=pod;destinationContext=pod tcp");
    world.tell(&[open(), reply(), dropped()]);
    let flows = world.sources.flows.clone();
    let tend = |world: &World, now| flows.tend(&world.sources.directory.load(), now);
    tend(&world, 0);
    let mut later = Directory::clone(&world.sources.directory.snapshot());
    later.endpoints.remove(&8);
    world.sources.directory.store(later);
    tend(&world, 100);
    assert_eq!(
        sum(
            &scrape(&world),
            "hubble_flows_processed_total",
            &["backend-1"]
        ),
        2
    );
    tend(&world, 161);
    let text = scrape(&world);
    assert_eq!(series(&text, "hubble_flows_processed_total{"), 1);
    assert_eq!(
        sum(
            &text,
            "hubble_flows_processed_total",
            &["frontend-1", "UDP"]
        ),
        1
    );
    let removed = r#"{family="hubble_flows_processed_total"} 2"#;
    has(
        &text,
        &format!("flowd_metrics_series_removed_total{removed}"),
    );
    has(
        &text,
        &format!("flowd_metrics_removed_events_total{removed}"),
    );
    // Families that say nothing of workloads keep all they counted.
    assert_eq!(sum(&text, "hubble_tcp_flags_total", &[]), 2);
    world.tell(&[open()]);
    tend(&world, 162);
    assert_eq!(sum(&scrape(&world), "hubble_flows_processed_total", &[]), 2);
}

#[test]
fn a_workload_that_comes_back_in_time_keeps_its_series() {
    let mut world = World::new(100);
    configured(&world, "flow:sourceContext=pod");
    world.tell(&[open()]);
    let flows = world.sources.flows.clone();
    let whole = Directory::clone(&world.sources.directory.snapshot());
    flows.tend(&Directory::default(), 10);
    flows.tend(&whole, 50);
    flows.tend(&Directory::default(), 60);
    flows.tend(&Directory::default(), 100);
    assert_eq!(sum(&scrape(&world), "hubble_flows_processed_total", &[]), 1);
}
