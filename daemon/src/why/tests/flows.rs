//! Answers from the log, and questions without one.

use flowd_abi::event::EventFlags;
use flowd_abi::{Direction, DropReason, Event, EventKind, ForwardReason, Verdict as Judged};
use flowd_proto::flow::Verdict;
use flowd_proto::flowd::v1::WhyBasis;

use super::*;
use crate::flow::testing::{judged, open, reply};

fn uuid(shop: &Shop, seq: u64) -> Question {
    Question::Uuid(shop.world.sources.boot.uuid(seq).to_string())
}

fn unknown(shop: &Shop, question: Question) -> String {
    match shop.ask(question) {
        Err(WhyError::Unknown(line)) => line,
        other => panic!("{other:?}"),
    }
}

fn source_address(verdict: fn(DropReason) -> Judged) -> Event {
    Event {
        local: flowd_abi::Address::v4([10, 9, 9, 9]),
        rule: 0,
        policy: 0,
        ..judged(EventKind::Drop, verdict(DropReason::SourceAddress))
    }
}

#[test]
fn a_flow_answers_for_its_end_and_the_policies_for_the_other() {
    let mut shop = Shop::new();
    shop.world.tell(&[open()]);
    let answer = shop.ask(uuid(&shop, 0)).unwrap();
    assert!(!answer.passed);
    let egress = end(answer.clone(), TrafficDirection::Egress);
    assert_eq!(
        (egress.basis(), egress.verdict()),
        (WhyBasis::Flow, Verdict::Forwarded)
    );
    assert_eq!(egress.endpoint, "shop/frontend-1");
    assert_eq!(egress.destination, "TCP/8080");
    assert_eq!(
        (egress.decided_generation, egress.current_generation),
        (4, 4)
    );
    assert_eq!(egress.rules[0].hits, 1);
    let excerpt = egress.rules[0].excerpt.as_ref().unwrap();
    assert!(excerpt.changed && excerpt.yaml.is_empty(), "{excerpt:?}");
    let ingress = end(answer, TrafficDirection::Ingress);
    assert_eq!(ingress.basis(), WhyBasis::Evaluation);
    assert_eq!(ingress.verdict(), Verdict::Dropped);
    assert_eq!(ingress.peer, "shop/frontend-1");
}

#[test]
fn the_newest_flow_of_a_kind_is_found_by_names_and_by_addresses() {
    let mut shop = Shop::new();
    let later = Event {
        generation: 9,
        local_port: 40_001,
        ..open()
    };
    shop.world.tell(&[
        open(),
        later,
        Event {
            remote_port: 81,
            ..open()
        },
    ]);
    for (from, to) in [
        ("shop/frontend-1", "shop/backend-1"),
        ("10.0.0.1", "10.0.0.2"),
        ("shop/frontend-1", "10.0.0.2"),
    ] {
        let answer = shop.tuple(from, to, "tcp/8080").unwrap();
        let egress = end(answer, TrafficDirection::Egress);
        assert_eq!(egress.basis(), WhyBasis::Flow, "{from} {to}");
        assert_eq!(egress.decided_generation, 9);
        assert_eq!(
            egress.notes,
            ["generation 9 decided, generation 4 is in force"]
        );
    }
    let answer = shop.tuple("fd00::1", "shop/backend-1", "TCP/8080").unwrap();
    let egress = end(answer, TrafficDirection::Egress);
    assert_eq!(egress.basis(), WhyBasis::Evaluation, "another family");
}

#[test]
fn an_answer_leads_to_the_verdict_on_its_connection() {
    let mut shop = Shop::new();
    shop.world.tell(&[open(), reply()]);
    let answer = shop.ask(uuid(&shop, 1)).unwrap();
    assert_eq!(answer.notes.len(), 1, "{:?}", answer.notes);
    let egress = end(answer, TrafficDirection::Egress);
    let first = shop.world.sources.boot.uuid(0).to_string();
    assert_eq!(egress.flow.unwrap().uuid, first);
    assert_eq!(egress.reason, "allowed");
}

#[test]
fn an_audited_flow_says_that_it_passed() {
    let mut shop = Shop::new();
    let audited = judged(EventKind::Open, Judged::Audit(DropReason::DefaultDenied));
    shop.world.tell(&[Event {
        local: audited.remote,
        remote: audited.local,
        endpoint: 8,
        peer_identity: 5000,
        direction: Direction::Ingress as u8,
        local_port: 8080,
        remote_port: 40_000,
        ..audited
    }]);
    let answer = shop.tuple("shop/frontend-1", "shop/backend-1", "TCP/8080");
    let ingress = end(answer.unwrap(), TrafficDirection::Ingress);
    assert_eq!(ingress.verdict(), Verdict::Audit);
    assert!(ingress.notes[0].starts_with("the endpoint's mode is audit"));
    assert!(!ingress.near_misses.is_empty());
    assert_eq!(ingress.default_denied_by.len(), 1);
}

#[test]
fn a_foreign_source_address_is_not_blamed_on_policies() {
    let mut shop = Shop::new();
    shop.world.tell(&[source_address(Judged::Drop)]);
    for question in [
        uuid(&shop, 0),
        Question::Tuple(WhyTuple {
            source: "10.9.9.9".into(),
            destination: "shop/backend-1".into(),
            protocol: "TCP".into(),
            port: 8080,
            direction: TrafficDirection::Egress as i32,
        }),
    ] {
        let answer = shop.ask(question).unwrap();
        let beyond = answer.ends.get(1).cloned();
        let egress = end(answer, TrafficDirection::Egress);
        assert_eq!(egress.reason, "source_address");
        assert_eq!(egress.endpoint, "shop/frontend-1");
        assert!(
            egress.notes[0].starts_with(
                "the packet's source address is 10.9.9.9; the workload's own are 10.0.0.1, fd00::1"
            ),
            "{:?}",
            egress.notes
        );
        assert_eq!((egress.now, egress.near_misses.len()), (None, 0));
        if let Some(beyond) = beyond {
            assert!(beyond.notes[0].contains("did not get this far"));
            assert_eq!(
                (beyond.near_misses.len(), beyond.suggestion.as_str()),
                (0, "")
            );
        }
    }
}

#[test]
fn an_excerpt_is_what_was_loaded_and_says_what_became_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.yaml");
    let file = path.display().to_string();
    let mut shop = Shop::new();
    shop.view.policies = PolicySet::new(parse(&file, POLICY).unwrap());
    shop.view.files = HashMap::from([(file.clone(), POLICY.into())]);
    let excerpt = |shop: &Shop| {
        let end = shop.at_backend("shop/frontend-1", "TCP/9000");
        end.rules[0].excerpt.clone().unwrap()
    };
    std::fs::write(&path, POLICY).unwrap();
    let same = excerpt(&shop);
    assert_eq!((same.changed, same.note.as_str()), (false, ""));
    assert_eq!(same.first_line, 7);
    assert!(same.yaml.starts_with("- fromEndpoints:"), "{}", same.yaml);
    std::fs::write(&path, "# nothing").unwrap();
    let changed = excerpt(&shop);
    assert_eq!((changed.changed, &changed.yaml), (true, &same.yaml));
    assert!(changed.note.contains("was changed since it was loaded"));
    std::fs::remove_file(&path).unwrap();
    assert!(excerpt(&shop).note.contains("cannot be read any more"));
    shop.view.files.clear();
    let gone = excerpt(&shop);
    assert_eq!((gone.changed, gone.yaml.as_str()), (true, ""));
}

#[test]
fn an_unknown_flow_is_told_with_the_oldest_there_is() {
    let mut shop = Shop::new();
    assert!(unknown(&shop, uuid(&shop, 0)).contains("no flow is available yet"));
    shop.world.tell(&vec![open(); 3]);
    let oldest = shop.world.sources.boot.uuid(0).to_string();
    let future = unknown(&shop, uuid(&shop, 3));
    assert!(future.contains("has not happened") && future.contains(&oldest));
    let foreign = crate::observe::uuid::Boot::fixed(77).uuid(0).to_string();
    let foreign = unknown(&shop, Question::Uuid(foreign));
    assert!(foreign.contains("earlier run") && foreign.contains(&oldest));
    for _ in 0..3 {
        shop.world.tell(&vec![open(); 900]);
    }
    assert!(unknown(&shop, uuid(&shop, 0)).contains("has left the log; the oldest"));
    let wrong = shop.ask(Question::Uuid("tuesday".into())).unwrap_err();
    assert!(matches!(wrong, WhyError::Invalid(_)), "{wrong}");
}

#[test]
fn questions_about_nobody_say_whom_they_may_mean() {
    let shop = Shop::new();
    let line = |from, to, what| shop.tuple(from, to, what).unwrap_err().to_string();
    for (from, to, what, says) in [
        (
            "shop/fronted-1",
            "10.0.0.2",
            "TCP/1",
            "did you mean shop/frontend-1?",
        ),
        (
            "bank/backend-1",
            "10.0.0.2",
            "TCP/1",
            "did you mean shop/backend-1?",
        ),
        ("shop/x", "10.0.0.2", "TCP/1", "`flowctl status` lists"),
        ("backend-1", "10.0.0.2", "TCP/1", "such as shop/backend-1"),
        ("10.0.0.1", "10.0.0.2", "TCP/65536", "above 65535"),
        ("10.0.0.1", "10.0.0.2", "ICMP/256", "above 255"),
        ("10.0.0.1", "10.0.0.2", "GRE/1", "none of TCP"),
        ("10.0.0.1", "fd00::1", "TCP/1", "one family"),
        ("10.0.0.1", "10.0.0.2", "ICMPv6/128", "one family"),
        ("198.51.100.1", "198.51.100.2", "TCP/1", "neither"),
    ] {
        assert!(
            line(from, to, what).contains(says),
            "{}",
            line(from, to, what)
        );
    }
}

#[test]
fn a_mode_counts_where_nothing_has_happened() {
    let mut shop = Shop::new();
    shop.view.workloads[1].mode = Mode::Audit;
    let end = shop.at_backend("shop/slip-1", "TCP/9000");
    assert_eq!(end.verdict(), Verdict::Audit);
    shop.view.workloads[1].mode = Mode::Off;
    let end = shop.at_backend("shop/slip-1", "TCP/9000");
    assert_eq!(end.verdict(), Verdict::Forwarded);
    assert!(end.notes[0].contains("mode is off"), "{:?}", end.notes);
}

#[test]
fn a_verdict_of_older_policies_is_told_beside_the_new_one() {
    let mut shop = Shop::new();
    let allowed = judged(EventKind::Open, Judged::Forward(ForwardReason::Allowed));
    shop.world.tell(&[Event {
        local: allowed.remote,
        remote: allowed.local,
        endpoint: 8,
        peer_identity: 5000,
        direction: Direction::Ingress as u8,
        local_port: 8080,
        remote_port: 40_000,
        generation: 3,
        flags: EventFlags::SEEDED,
        ..allowed
    }]);
    let end = shop.at_backend("shop/frontend-1", "TCP/8080");
    assert_eq!(end.verdict(), Verdict::Forwarded);
    assert_eq!(end.now.as_ref().unwrap().reason, "default_denied");
    assert_eq!(
        end.notes,
        [
            "the connection was open before flowd attached",
            "generation 3 decided, generation 4 is in force; what is in force now denies it"
        ]
    );
}
