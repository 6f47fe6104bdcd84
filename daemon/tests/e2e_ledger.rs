//! Every verdict is accounted for, also when nobody reads and when a flood of denied flows comes.

mod support;

use std::net::IpAddr;

use flowd_proto::{
    flow::{Flow, TrafficDirection},
    flowd::v1::{EventKind, Ledger, LedgerRow},
};
use flowd_testbed::{
    Flowd, Pod,
    traffic::{TcpEcho, UdpEcho, UdpFlood, tcp_connections},
};
use rustix::process::{Pid, Signal, kill_process};
use support::{
    Api, PATIENCE, Pacer, Scene, distinct_ports, eventually, flood, flow_of, policy, told_packets,
    when,
};

const INGRESS: i32 = TrafficDirection::Ingress as i32;
const EGRESS: i32 = TrafficDirection::Egress as i32;
/// The flood meets a deny rule and the rest an allow rule, so that each has a row of the ledger to
/// itself: what the kernel multicasts meets the default.
const RULES: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}], \
     toPorts: [{ports: [{port: \"8080\"}]}]}]
  ingressDeny: [{toPorts: [{ports: [{port: \"20000\", endPort: 29999, protocol: UDP}]}]}]";

fn any() -> IpAddr {
    "::".parse().expect("an address")
}

/// Only the backend is guarded: one view of each packet.
fn guarded(config: &str) -> (Scene, [Pod; 2]) {
    let mut scene = Scene::configured(config);
    let backend = scene.pod("backend");
    let frontend = scene.unguarded("frontend");
    // The frontend has to be somebody to the policy, so it is known, and its mode is off.
    scene.edit_endpoint(&frontend, |text| text.replace("enforce", "off"));
    let yaml = policy("strict", "backend", RULES);
    scene.flowd.write_policy("strict", &yaml).expect("written");
    scene.launch();
    (scene, [frontend, backend])
}

fn signal(flowd: &Flowd, signal: Signal) {
    let pid = flowd.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    kill_process(pid.expect("it runs"), signal).expect("signalled");
}

fn row(api: &Api, reason: &str) -> LedgerRow {
    api.ledger(reason, INGRESS)
}

fn balances(row: &LedgerRow) -> bool {
    row.packets == row.told + row.coalesced + row.deferred
}

/// The ledger, once it has seen as many denied packets and nothing waits any more.
fn settled(api: &Api, denied: u64) -> Ledger {
    eventually("nothing waits to be told", || {
        let ledger = api.status()?.ledger.unwrap_or_default();
        let sum = |part: fn(&LedgerRow) -> u64| ledger.rows.iter().map(part).sum::<u64>();
        let (deferred, recovered) = (sum(|row| row.deferred), sum(|row| row.recovered));
        let seen = ledger.rows.iter().any(|row| row.packets >= denied);
        let good = seen && ledger.deferred_pending == 0 && deferred == recovered + ledger.lost;
        when(good, (deferred, recovered, ledger))
    })
    .2
}

fn deferred(flows: &[Flow]) -> u64 {
    let is = |flow: &&Flow| flow.extension().is_some_and(|extension| extension.deferred);
    flows.iter().filter(is).count() as u64
}

fn opens(flows: Vec<Flow>) -> Vec<Flow> {
    let is = |flow: &Flow| {
        flow.extension()
            .is_some_and(|one| one.event() == EventKind::Open)
    };
    flows.into_iter().filter(is).collect()
}

#[test]
fn with_the_reader_stopped_counters_stay_exact_and_the_deferred_is_told_afterwards() {
    let (scene, [frontend, backend]) = guarded("sizes: {ring_bytes: 65536}\n");
    let api = scene.api();
    let server = UdpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let mut pacer = Pacer::new(&frontend, backend.ipv4, 8080);
    pacer.exchange();
    signal(&scene.flowd, Signal::STOP);
    // Far more than 64 KiB hold of either.
    let denied = flood(&frontend, backend.ipv4, 20_000..20_500, 5000, &mut pacer);
    for batch in 1..=10 {
        // As many as the server's socket holds.
        let opening = UdpFlood {
            target: backend.ipv4.into(),
            ports: 8080..=8080,
            sockets: 90,
            payload: 16,
        };
        let sent = opening.send(&frontend.namespace, 180).expect("sent");
        assert_eq!(sent.packets, 180);
        let so_far = pacer.exchanges + batch * 180;
        eventually("the wire carries all that is allowed", || {
            when(server.received() == so_far, server.received())
        });
    }
    let allowed = pacer.exchanges + 1800;
    signal(&scene.flowd, Signal::CONT);

    let ledger = settled(&api, denied);
    assert!(ledger.balanced, "{ledger:?}");
    assert_eq!(ledger.lost, 0);
    let drops = row(&api, "rule_denied");
    assert_eq!(drops.packets, denied);
    assert!(balances(&drops), "{drops:?}");
    assert!(
        drops.deferred > denied / 2,
        "the ring was meant to be full: {drops:?}"
    );
    let forwards = row(&api, "allowed");
    assert_eq!(forwards.packets, allowed);
    assert!(balances(&forwards) && forwards.deferred > 0, "{forwards:?}");
    assert_eq!(api.ledger("reply", EGRESS).packets, allowed);

    let wanted = flow_of("udp").from(&frontend).to(&backend).ingress();
    eventually("every denied flow is told", || {
        let flows = scene.flows(&wanted.clone().dropped());
        let told = (distinct_ports(&flows).len() as u64, told_packets(&flows));
        when(told == (denied, denied), told)
    });
    // The kernel may give two batches the same ports, but no opening may be told twice.
    let opened = opens(scene.flows(&wanted.forwarded()));
    let flows = distinct_ports(&opened).len();
    assert!(
        flows > 500 && flows == opened.len(),
        "{flows} flows, {} told",
        opened.len()
    );
    assert!(deferred(&opened) > 0);
}

#[test]
fn a_flood_of_denied_flows_leaves_the_allowed_intact_and_is_counted_to_the_last_packet() {
    let (scene, [frontend, backend]) = guarded("");
    let api = scene.api();
    let server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let echo = UdpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let mut pacer = Pacer::new(&frontend, backend.ipv4, 8080);
    pacer.exchange();
    let denied = std::thread::scope(|scope| {
        let flooding =
            scope.spawn(|| flood(&frontend, backend.ipv4, 20_000..21_000, 100_000, &mut pacer));
        for address in backend.addresses() {
            let tally = tcp_connections(&frontend.namespace, address, 8080, 500, PATIENCE);
            assert_eq!(tally.expect("attempted").connected, 500);
        }
        flooding.join().expect("no panic")
    });
    assert_eq!(echo.received(), pacer.exchanges);
    eventually("the server has taken every connection", || {
        when(server.accepted() == 1000, server.accepted())
    });
    let ledger = settled(&api, denied);
    assert!(ledger.balanced, "{ledger:?}");
    let drops = row(&api, "rule_denied");
    assert_eq!(drops.packets, denied);
    assert!(balances(&drops), "{drops:?}");
    assert!(drops.deferred >= drops.recovered, "{drops:?}");
    let allowed = row(&api, "allowed");
    assert!(balances(&allowed) && allowed.deferred == 0, "{allowed:?}");
    let metrics = scene.flowd.metrics().expect("scraped");
    let counted = [("reason", "rule_denied"), ("direction", "ingress")];
    let packets = metrics.sum("flowd_ledger_packets_total", &counted);
    assert_eq!(packets, denied as f64, "the metrics say the same");

    let opened = flow_of("tcp")
        .to(&backend)
        .port(8080)
        .ingress()
        .event_type(5);
    eventually("every allowed connection is told", || {
        let flows = scene.flows(&opened.clone().forwarded());
        let told = (distinct_ports(&flows).len(), flows.len(), deferred(&flows));
        when(told.1 == 1000 && told.2 == 0, told)
    });
    // What was shed is exactly what is missing.
    let dropped = flow_of("udp").to(&backend).ingress().dropped();
    eventually("every drop is told or counted as lost", || {
        let (ledger, told) = (settled(&api, denied), told_packets(&scene.flows(&dropped)));
        when(told + ledger.lost == denied, (told, ledger.lost))
    });
}

#[test]
fn what_a_flood_sheds_is_counted_as_lost_and_takes_nothing_from_the_allowed() {
    // Neither the ring nor the table of denied flows has room for the flood.
    let (scene, [frontend, backend]) = guarded("sizes: {ring_bytes: 65536, denied: 1024}\n");
    let api = scene.api();
    let echo = UdpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let server = TcpEcho::start(&backend.namespace, any(), 8080).expect("listens");
    let mut pacer = Pacer::new(&frontend, backend.ipv4, 8080);
    pacer.exchange();
    signal(&scene.flowd, Signal::STOP);
    let denied = flood(&frontend, backend.ipv4, 20_000..21_000, 20_000, &mut pacer);
    let tally = tcp_connections(&frontend.namespace, backend.ipv6, 8080, 100, PATIENCE);
    assert_eq!(tally.expect("attempted").connected, 100);
    signal(&scene.flowd, Signal::CONT);
    assert_eq!(echo.received(), pacer.exchanges);
    eventually("the server has taken every connection", || {
        when(server.accepted() == 100, server.accepted())
    });

    let ledger = settled(&api, denied);
    assert!(ledger.balanced && ledger.lost > 0, "{ledger:?}");
    let drops = row(&api, "rule_denied");
    assert_eq!(drops.packets, denied);
    assert!(balances(&drops), "{drops:?}");
    let allowed = row(&api, "allowed");
    assert!(balances(&allowed) && allowed.deferred == 0, "{allowed:?}");
    let dropped = flow_of("udp").to(&backend).ingress().dropped();
    eventually("every drop is told or counted as lost", || {
        let told = told_packets(&scene.flows(&dropped));
        let lost = api.status()?.ledger.unwrap_or_default().lost;
        when(told + lost == denied, (told, lost))
    });
    let opened = flow_of("tcp")
        .to(&backend)
        .port(8080)
        .ingress()
        .event_type(5);
    let flows = scene.flows(&opened.forwarded());
    assert_eq!((flows.len(), deferred(&flows)), (100, 0));
}
