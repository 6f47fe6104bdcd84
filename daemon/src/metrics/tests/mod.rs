//! What a scrape says after known flows.

mod budget;
mod contexts;
mod reload;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flowd_abi::{Address, Counter, Direction, DropReason, Event, EventKind, Verdict};
use tower::ServiceExt;

use super::*;
use crate::flow::testing::{World, dropped, judged, open, ping, reply};
use crate::serve::metrics::routes;
use crate::serve::status::{LedgerRow, Status};

fn scrape(world: &World) -> String {
    metrics(world).text().unwrap()
}

/// A world whose plugins are these.
fn configured(world: &World, plugins: &str) -> Settings {
    let settings = Settings {
        plugins: plugin::parse(plugins).unwrap(),
        ..Settings::default()
    };
    set(world, &settings);
    settings
}

fn set(world: &World, settings: &Settings) {
    let sources = &world.sources;
    let context = filter::Context {
        directory: sources.directory.clone(),
        boot: sources.boot,
        scope: Default::default(),
    };
    sources.flows.configure(settings, &context).unwrap();
}

/// The sum over the series of a family that have all these parts.
fn sum(text: &str, family: &str, parts: &[&str]) -> u64 {
    let of_family = |line: &&str| {
        line.strip_prefix(family)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let lines = text.lines().filter(of_family);
    let lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}

fn series(text: &str, family: &str) -> usize {
    text.lines().filter(|line| line.starts_with(family)).count()
}

fn metrics(world: &World) -> Metrics {
    let sources = &world.sources;
    Metrics::new(
        sources.flows.clone(),
        sources.log.clone(),
        sources.status.clone(),
    )
    .unwrap()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "no {line} in:\n{text}"
    );
}

#[test]
fn each_family_of_hubble_counts_what_it_says() {
    let mut world = World::new(100);
    let to_world = Event {
        remote: Address::v4([198, 51, 100, 1]),
        peer_identity: 2,
        ..open()
    };
    let audited = judged(EventKind::Open, Verdict::Audit(DropReason::DefaultDenied));
    let denied = judged(EventKind::Drop, Verdict::Drop(DropReason::RuleDenied));
    world.tell(&[
        open(),
        open(),
        reply(),
        dropped(),
        ping(),
        to_world,
        audited,
        denied,
    ]);
    let text = scrape(&world);
    for line in [
        r#"hubble_flows_processed_total{protocol="TCP",subtype="",type="PolicyVerdict",verdict="FORWARDED"} 3"#,
        r#"hubble_flows_processed_total{protocol="TCP",subtype="to-endpoint",type="Trace",verdict="FORWARDED"} 1"#,
        r#"hubble_flows_processed_total{protocol="ICMPv6",subtype="from-endpoint",type="Trace",verdict="FORWARDED"} 1"#,
        r#"hubble_flows_processed_total{protocol="UDP",subtype="",type="Drop",verdict="DROPPED"} 1"#,
        r#"hubble_drop_total{destination="shop/frontend",protocol="UDP",reason="POLICY_DENIED",source="reserved:world"} 1"#,
        r#"hubble_drop_total{destination="shop/backend",protocol="TCP",reason="POLICY_DENY",source="shop/frontend"} 1"#,
        r#"hubble_tcp_flags_total{family="IPv4",flag="SYN"} 3"#,
        r#"hubble_tcp_flags_total{family="IPv4",flag="SYN-ACK"} 1"#,
        r#"hubble_icmp_total{family="IPv6",type="EchoRequest"} 1"#,
        r#"hubble_port_distribution_total{port="8080",protocol="TCP"} 3"#,
        r#"hubble_port_distribution_total{port="0",protocol="ICMPv6"} 1"#,
        r#"hubble_policy_verdicts_total{action="forwarded",direction="egress",match="l3-l4"} 3"#,
        r#"hubble_policy_verdicts_total{action="dropped",direction="ingress",match="l3-l4"} 1"#,
        r#"hubble_policy_verdicts_total{action="dropped",direction="egress",match="l3-l4"} 1"#,
        r#"hubble_policy_verdicts_total{action="audit",direction="egress",match="l3-l4"} 1"#,
        r#"hubble_flows_to_world_total{protocol="TCP",verdict="FORWARDED"} 1"#,
        r#"hubble_lost_events_total{source="hubble_ring_buffer"} 0"#,
        r#"flowd_events_received_total{ring="events"} 8"#,
        "flowd_log_flows 8",
    ] {
        has(&text, line);
    }
}

#[test]
fn what_is_no_event_is_counted() {
    let mut world = World::new(10);
    let directory = world.sources.directory.snapshot();
    let records: [&[u8]; 2] = [&[0; 3], &[0xff; 144]];
    let clock = crate::flow::Clock::default();
    let sum = world
        .pipeline
        .ingest(Ring::Drops, records, clock, &directory);
    assert_eq!((sum.flows, sum.undecodable), (0, 2));
    let text = scrape(&world);
    has(&text, "flowd_events_undecodable_total 2");
    has(&text, r#"flowd_events_received_total{ring="drops"} 2"#);
}

#[tokio::test]
async fn the_ledger_and_health_are_served() {
    let world = World::new(10);
    let routes = routes(
        metrics(&world),
        world.sources.status.clone(),
        vec![crate::guard::Pulse::new("reader")],
    );
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    };
    let good = (StatusCode::OK, "ok\n".to_owned());
    assert_eq!(get("/healthz").await, good);
    let (status, text) = get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("no plan is enforced yet"), "{text}");
    world.sources.status.store(Status {
        ledger: vec![LedgerRow {
            verdict: Verdict::Drop(DropReason::TableFull),
            direction: Direction::Egress,
            counter: Counter {
                packets: 7,
                told: 7,
                ..Counter::default()
            },
        }],
        lost: 3,
        desired_generation: 2,
        enforced_generation: 1,
        ..Status::default()
    });
    let (status, text) = get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    has(
        &text,
        r#"flowd_ledger_packets_total{direction="egress",reason="table_full",verdict="dropped"} 7"#,
    );
    has(&text, "flowd_ledger_lost_total 3");
    has(&text, r#"flowd_policy_generation{state="desired"} 2"#);
    has(&text, r#"flowd_endpoints{state="protected"} 0"#);
    assert!(text.contains("process_resident_memory_bytes "));
    has(
        &get("/metrics").await.1,
        r#"hubble_metrics_http_handler_requests_total{code="200"} 1"#,
    );
    // It works, and an older plan is in force: neither a restart nor another node would help.
    assert_eq!(get("/livez").await, good);
    assert_eq!(get("/readyz").await, good);
    let (status, text) = get("/healthz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        text.contains("generation 1 is enforced, 2 is wanted"),
        "{text}"
    );
}

#[test]
fn every_family_is_in_the_pages() {
    let page = include_str!("../../../../docs/metrics.md");
    let world = World::new(10);
    let all: Vec<&str> = plugin::Kind::ALL.iter().map(|kind| kind.name()).collect();
    configured(&world, &all.join(" "));
    let text = scrape(&world);
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = families.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let ledger = name.strip_prefix("flowd_ledger");
        let named =
            page.contains(name) || ledger.is_some_and(|end| page.contains(&format!("`{end}`")));
        assert!(named, "{name} is missing in docs/metrics.md");
    }
    let options = plugin::Kind::ALL.iter().flat_map(|kind| kind.options());
    let identifiers = plugin::Identifier::ALL.map(|(name, _)| name);
    for word in options.chain(&identifiers).chain(&all) {
        assert!(
            page.contains(&format!("`{word}`")),
            "{word} is missing in docs/metrics.md"
        );
    }
}
