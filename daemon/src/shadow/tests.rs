//! What would have become of connections, and what is counted of it.

use std::sync::Arc;

use flowd_abi::{
    Address, Direction, DropReason, Endpoint, Event, EventKind, ForwardReason, Verdict, protocol,
};
use flowd_policy::{Contents, Options, read};

use super::*;
use crate::endpoints;
use crate::flow::record::Judged;
use crate::flow::testing::judged;
use crate::resolve::{Guarded, Plan, PlannedEndpoint};

const ENFORCED: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]
";

const SHADOW: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: tight, namespace: shop, annotations: {flowd.io/mode: shadow}}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{toPorts: [{ports: [{port: http, protocol: TCP}]}]}]
  ingressDeny: [{fromCIDR: [10.0.0.0/24], toPorts: [{ports: [{port: \"22\"}]}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: idle, namespace: shop, annotations: {flowd.io/mode: shadow}}
spec:
  endpointSelector: {matchLabels: {app: nobody}}
  ingress: [{}]
";

/// shop/web is endpoint 7 of identity 256, shop/api is endpoint 8 of identity 257.
fn plan() -> Plan {
    let mut plan = Plan::default();
    for (number, app) in [(7, "web"), (8, "api")] {
        let text = format!(
            "apiVersion: flowd.io/v1\nkind: Endpoint\nmetadata: {{name: {app}, namespace: shop, \
             labels: {{app: {app}}}}}\nspec:\n  addresses: [10.9.0.{number}]\n  attach: {{interface: \
             {app}}}\n  ports: [{{name: http, port: 8080}}]\n"
        );
        let spec = endpoints::parse("e.yaml", &text).expect("valid").remove(0);
        let guarded = Guarded {
            spec: spec.into(),
            device: app.into(),
            ifindex: number,
            addresses: [].into(),
            namespace: None,
        };
        let endpoint = PlannedEndpoint {
            guarded: guarded.into(),
            policies: Vec::new().into(),
            value: Endpoint {
                id: number,
                identity: number + 249,
                ..Endpoint::default()
            },
        };
        plan.endpoints.insert(number, endpoint);
    }
    plan
}

fn contents(texts: &[&str]) -> Vec<Contents> {
    let read = |text: &&str| read("p.yaml", text).expect("valid");
    texts.iter().map(read).collect()
}

fn tables(texts: &[&str]) -> (Shadows, Option<Arc<ShadowTables>>) {
    let mut shadows = Shadows::new(Tallies::default());
    shadows.follow(&contents(texts), Options::default(), 5);
    let tables = shadows.tables(&plan()).expect("compiles");
    (shadows, tables)
}

/// A connection to port `port` of shop/web from this identity and address.
fn towards(port: u16, identity: u32, address: [u8; 4], verdict: Verdict) -> Judged {
    let kind = match verdict {
        Verdict::Drop(_) => EventKind::Drop,
        Verdict::Forward(_) | Verdict::Audit(_) => EventKind::Open,
    };
    let event = Event {
        endpoint: 7,
        direction: Direction::Ingress as u8,
        local_port: port,
        remote_port: 40_000,
        remote: Address::v4(address),
        peer_identity: identity,
        protocol: protocol::TCP,
        ..judged(kind, verdict)
    };
    Judged {
        event,
        kind,
        verdict,
        direction: Direction::Ingress,
    }
}

const PASSED: Verdict = Verdict::Forward(ForwardReason::Allowed);
const DENIED: Verdict = Verdict::Drop(DropReason::DefaultDenied);

#[test]
fn the_verdict_is_that_of_enforced_and_shadow_policies_together() {
    let (_, tables) = tables(&[ENFORCED, SHADOW]);
    let tables = tables.expect("there are shadow policies");
    let mut cache = ShadowCache::default();
    let mut would = |judged: Judged| {
        let found = cache.look_up(&tables, &judged).expect("it is selected");
        let names: Vec<String> = found
            .rules
            .iter()
            .map(|rule| format!("{} {}", rule.policy.name, rule.path()))
            .chain(
                found
                    .default_denied_by
                    .iter()
                    .map(|policy| policy.name.clone()),
            )
            .collect();
        (
            found.verdict,
            names.join(", "),
            found.changes(judged.verdict),
        )
    };
    let api = |port, verdict| towards(port, 257, [10, 9, 0, 8], verdict);
    assert_eq!(
        would(api(9, PASSED)),
        (PASSED, "web spec.ingress[0]".into(), false)
    );
    // A named port, open to everybody; a port of another number is nobody's.
    let world = |port, address, verdict| towards(port, 2, address, verdict);
    assert_eq!(
        would(world(8080, [192, 0, 2, 1], DENIED)),
        (PASSED, "tight spec.ingress[0]".into(), true)
    );
    let both = ("tight, web".to_owned(), "web, tight".to_owned());
    let (verdict, deniers, changed) = would(world(9, [192, 0, 2, 1], DENIED));
    assert_eq!((verdict, changed), (DENIED, false));
    assert!(deniers == both.0 || deniers == both.1, "{deniers}");
    // A block that no enforced policy names has its class here all the same.
    let rule = Verdict::Drop(DropReason::RuleDenied);
    assert_eq!(
        would(world(22, [10, 0, 0, 9], PASSED)),
        (rule, "tight spec.ingressDeny[0]".into(), true)
    );
    assert_eq!(would(world(22, [10, 0, 1, 9], DENIED)).0, DENIED);
    // Protocols that enforced workloads do not get.
    let mut tunnel = world(0, [192, 0, 2, 1], DENIED);
    tunnel.event.protocol = 47;
    assert_eq!(
        would(tunnel).0,
        Verdict::Drop(DropReason::UnsupportedProtocol)
    );
}

#[test]
fn nothing_is_said_where_no_shadow_policy_has_a_say() {
    let (_, none) = tables(&[ENFORCED]);
    assert!(none.is_none());
    let (_, tables) = tables(&[ENFORCED, SHADOW]);
    let tables = tables.expect("there are shadow policies");
    let mut cache = ShadowCache::default();
    let good = towards(8080, 2, [192, 0, 2, 1], DENIED);
    assert!(cache.look_up(&tables, &good).is_some());
    let mut egress = good;
    egress.direction = Direction::Egress;
    let mut other = good;
    other.event.endpoint = 8;
    let mut answer = good;
    answer.kind = EventKind::Reply;
    let mut forged = good;
    forged.verdict = Verdict::Drop(DropReason::SourceAddress);
    for judged in [egress, other, answer, forged] {
        assert!(cache.look_up(&tables, &judged).is_none(), "{judged:?}");
    }
}

#[test]
fn a_shadow_policy_takes_the_place_of_its_namesake() {
    let shadow = ENFORCED
        .replace(
            "namespace: shop}",
            "namespace: shop, annotations: {flowd.io/mode: shadow}}",
        )
        .replace("app: api", "app: nobody");
    let (shadows, tables) = tables(&[ENFORCED, &shadow]);
    assert_eq!(shadows.as_if().policies().len(), 1);
    let tables = tables.expect("there is one");
    let from_api = towards(9, 257, [10, 9, 0, 8], PASSED);
    let would = ShadowCache::default().look_up(&tables, &from_api);
    assert_eq!(would.expect("selected").verdict, DENIED);
}

#[test]
fn what_changes_is_counted_by_policy_and_starts_over_with_it() {
    let (mut shadows, tables) = tables(&[ENFORCED, SHADOW]);
    let tables = tables.expect("there are shadow policies");
    let mut cache = ShadowCache::default();
    let events = [
        towards(8080, 2, [192, 0, 2, 1], DENIED),
        towards(8080, 2, [192, 0, 2, 1], DENIED),
        towards(22, 2, [10, 0, 0, 9], PASSED),
        towards(9, 257, [10, 9, 0, 8], PASSED),
    ];
    for (time, judged) in (10..).zip(events) {
        let would = cache.look_up(&tables, &judged).expect("selected");
        would.count(judged.verdict, time);
    }
    let name = |policy: &str| format!("CiliumNetworkPolicy/shop/{policy}");
    let counts = |shadows: &Shadows, policy| shadows.tallies().counts(&name(policy));
    let tight = counts(&shadows, "tight").expect("counted");
    assert_eq!(
        (tight.matched(), tight.would_drop(), tight.would_allow()),
        (3, 1, 2)
    );
    assert_eq!((tight.last, tight.since), (12, 5));
    let idle = counts(&shadows, "idle").expect("counted");
    assert_eq!((idle.matched(), idle.last), (0, 0));
    assert_eq!(counts(&shadows, "web"), None);
    assert_eq!(shadows.selected(&plan()), [(name("tight"), 1)].into());
    // Other policies do not matter, its own change does.
    shadows.follow(&contents(&[SHADOW]), Options::default(), 50);
    assert_eq!(counts(&shadows, "tight"), Some(tight));
    let changed = SHADOW.replace("22", "23");
    shadows.follow(&contents(&[&changed]), Options::default(), 60);
    let anew = counts(&shadows, "tight").expect("counted");
    assert_eq!((anew.matched(), anew.since), (0, 60));
}

#[test]
fn an_answer_is_judged_as_what_it_answers() {
    let mut echo = towards(0, 2, [192, 0, 2, 1], DENIED);
    echo.event.protocol = protocol::ICMP;
    echo.event.icmp_type = 8;
    assert_eq!(echo.policy_port(), 8);
    echo.event.icmp_type = 0;
    echo.event.flags = flowd_abi::event::EventFlags::REPLY;
    echo.direction = Direction::Egress;
    assert_eq!(
        (echo.policy_port(), echo.judged_direction()),
        (8, Direction::Ingress)
    );
    let mut tcp = towards(8080, 2, [192, 0, 2, 1], DENIED);
    tcp.event.flags = flowd_abi::event::EventFlags::REPLY;
    tcp.direction = Direction::Egress;
    assert_eq!(tcp.policy_port(), 8080);
}
