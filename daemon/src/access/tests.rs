//! Who is let in, what for, how often; and that no call is without a right.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::limits::Limits;
use super::rights::{CALLS, find};
use super::rules::Rules;
use super::*;
use crate::config::access::{AccessSection, AuditSection, LimitsSection};

#[test]
fn every_call_has_a_right_and_no_right_is_for_a_call_that_is_not_there() {
    let mut calls = BTreeMap::new();
    for bytes in [
        flowd_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ] {
        for file in FileDescriptorSet::decode(bytes).unwrap().file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    calls.insert(path, method.server_streaming());
                }
            }
        }
    }
    for (path, streams) in &calls {
        let call = find(path).unwrap_or_else(|| panic!("access/rights.rs: {path} needs a right"));
        assert_eq!(call.streams, *streams, "{path}");
    }
    let stale: Vec<_> = CALLS
        .iter()
        .filter(|call| !calls.contains_key(call.path))
        .collect();
    assert!(stale.is_empty(), "{stale:?}");
}

fn rules(yaml: &str) -> Rules {
    let section: AccessSection = serde_saphyr::from_str(yaml).unwrap();
    Rules::load(&section).unwrap()
}

fn tls(names: &[&str]) -> Peer {
    Peer::Tls {
        address: "192.0.2.1:1234".parse().unwrap(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
    }
}

const LOOPBACK: &str = "127.0.0.1:5000";

fn unix(uid: u32, gid: u32) -> Peer {
    Peer::Unix {
        uid,
        gid,
        pid: None,
    }
}

#[test]
fn without_rules_the_socket_changes_loopback_looks_and_tls_is_shut() {
    let rules = Rules::default();
    let operator = rules.grant(&unix(1000, 1000), None).unwrap();
    assert!(operator.has(Right::Change));
    let observer = rules
        .grant(&Peer::Loopback(LOOPBACK.parse().unwrap()), None)
        .unwrap();
    assert!(observer.has(Right::SeeAll) && !observer.has(Right::Change));
    let refused = rules.grant(&tls(&["relay"]), None).unwrap_err();
    assert_eq!(refused.reason, Reason::UnknownClient);
    let refused = rules.grant(&unix(0, 0), Some("guess")).unwrap_err();
    assert_eq!(refused.reason, Reason::UnknownToken);
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = rules(
        "clients:
- {certificate: '*.hubble-relay.cilium.io', role: observer}
- {certificate: alice, role: operator}
- {certificate: shop-team, role: observer, namespaces: [shop]}
- {user: '4242', role: none}
- {group: '77', role: observer}
unix: none
",
    );
    let role = |peer: Peer| rules.grant(&peer, None).map(|grant| grant.role);
    assert_eq!(
        role(tls(&["x", "a.hubble-relay.cilium.io"])),
        Ok(Role::Observer(Scope::All))
    );
    assert!(role(tls(&["a.b.hubble-relay.cilium.io"])).is_err());
    assert!(role(tls(&[".hubble-relay.cilium.io"])).is_err());
    assert_eq!(role(tls(&["Alice"])), Ok(Role::Operator));
    assert!(role(tls(&["alice.example"])).is_err());
    assert!(role(unix(4242, 77)).is_err());
    assert_eq!(role(unix(4243, 77)), Ok(Role::Observer(Scope::All)));
    assert!(role(unix(4243, 78)).is_err());
    assert_eq!(role(unix(0, 0)), Ok(Role::Operator));
    let team = rules.grant(&tls(&["shop-team"]), None).unwrap();
    assert!(team.has(Right::See) && !team.has(Right::SeeAll));
    assert!(team.scope().sees("shop") && !team.scope().sees("bank"));
}

#[test]
fn a_client_that_floods_waits_and_others_do_not() {
    let limits = Limits::default();
    limits.set(&LimitsSection {
        requests_per_second: 10,
        streams: 3,
        streams_per_client: 2,
        ..LimitsSection::default()
    });
    let start = Instant::now();
    let passed = (0..100)
        .filter(|_| limits.request("a", start).is_ok())
        .count();
    assert_eq!(passed, 20);
    assert!(limits.request("b", start).is_ok());
    let later = start + Duration::from_millis(350);
    let passed = (0..100)
        .filter(|_| limits.request("a", later).is_ok())
        .count();
    assert_eq!(passed, 3);

    let open: Vec<_> = (0..2).map(|_| limits.stream("a", start).unwrap()).collect();
    let refused = limits.stream("a", start).unwrap_err();
    assert!(
        refused.text.contains("limits.streams_per_client"),
        "{refused}"
    );
    let last = limits.stream("b", start).unwrap();
    let refused = limits.stream("c", start).unwrap_err();
    assert!(refused.text.contains("limits.streams "), "{refused}");
    drop((open, last));
    assert_eq!(limits.streams(), 0);
    assert!(limits.stream("a", start).is_ok());
}

#[test]
fn many_clients_are_forgotten_but_not_their_streams() {
    let limits = Limits::default();
    let start = Instant::now();
    let permit = limits.stream("keeper", start).unwrap();
    for number in 0..5_000 {
        let at = start + Duration::from_millis(number);
        limits.request(&number.to_string(), at).unwrap();
    }
    drop(permit);
    assert_eq!(limits.streams(), 0);
}

#[test]
fn a_full_disk_costs_lines_of_the_record_and_nothing_else() {
    let section = AuditSection {
        file: Some("/dev/full".into()),
        ..AuditSection::default()
    };
    let gate = Gate::new(
        &AccessSection::default(),
        &LimitsSection::default(),
        audit::Audit::start(&section).unwrap(),
    )
    .unwrap();
    let call = find("/flowd.v1.Flowd/Status").unwrap();
    let passed = gate.pass(&unix(0, 0), None, call).unwrap();
    gate.record(&passed.grant, call.path, "ok", "");
    while gate.audit().lost() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(gate.audit().is_stuck());
    assert_eq!(gate.audit().written(), 0);
    assert!(gate.pass(&unix(0, 0), None, call).is_ok());
}

#[test]
fn what_a_client_asked_is_on_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let section = AuditSection {
        file: Some(path.clone()),
        ..AuditSection::default()
    };
    let audit = audit::Audit::start(&section).unwrap();
    let gate = Gate::new(&AccessSection::default(), &LimitsSection::default(), audit).unwrap();
    let call = find("/flowd.v1.Policies/Apply").unwrap();
    let refused = gate.pass(&Peer::Loopback(LOOPBACK.parse().unwrap()), None, call);
    assert_eq!(refused.unwrap_err().reason, Reason::NoRight);
    let refused = gate.pass(&unix(0, 0), Some("a-secret"), call).unwrap_err();
    assert_eq!(refused.reason, Reason::UnknownToken);
    while gate.audit().written() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("no_right") && text.contains("flowd.v1.Policies/Apply"),
        "{text}"
    );
    assert!(
        text.contains("unknown_token") && !text.contains("a-secret"),
        "{text}"
    );
    assert_eq!(gate.refusals().count(Reason::NoRight), 1);
}
