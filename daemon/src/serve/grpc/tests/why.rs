//! `Why`, and the hits in `Status`.

use flowd_proto::flow::{TrafficDirection, Verdict};
use flowd_proto::flowd::v1::flowd_client::FlowdClient;
use flowd_proto::flowd::v1::why_request::Question;
use flowd_proto::flowd::v1::{RuleAction, StatusRequest, WhyBasis, WhyRequest, WhyTuple};

use super::*;
use crate::observe::uuid::Boot;
use crate::serve::status::{PolicyStatus, Status};

fn request(question: Question) -> WhyRequest {
    WhyRequest {
        question: Some(question),
    }
}

fn tuple(source: &str, destination: &str) -> WhyRequest {
    request(Question::Tuple(WhyTuple {
        source: source.to_owned(),
        destination: destination.to_owned(),
        protocol: "TCP".to_owned(),
        port: 8080,
        direction: 0,
    }))
}

#[tokio::test]
async fn a_flow_explains_itself() {
    let mut served = Served::new(100, Options::default()).await;
    served.world.tell(&[open()]);
    let mut client = FlowdClient::new(served.channel.clone());
    let uuid = served.world.sources.boot.uuid(0).to_string();
    let answer = client.why(request(Question::Uuid(uuid.clone()))).await;
    let answer = answer.unwrap().into_inner();
    assert!(answer.passed);
    let [end] = answer.ends.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(end.direction(), TrafficDirection::Egress);
    assert_eq!(
        (end.basis(), end.verdict()),
        (WhyBasis::Flow, Verdict::Forwarded)
    );
    assert_eq!(end.flow.as_ref().unwrap().uuid, uuid);
    let rule = end.rules[0].rule.as_ref().unwrap();
    assert_eq!((rule.name.as_str(), rule.line), ("front", 9));
    assert_eq!(
        (end.rules[0].path.as_str(), end.rules[0].hits),
        ("spec.egress[1]", 1)
    );
    let by_address = client.why(tuple("10.0.0.1", "10.0.0.2")).await;
    assert_eq!(by_address.unwrap().into_inner().ends, answer.ends);
}

#[tokio::test]
async fn questions_without_an_answer_say_what_to_do() {
    let served = Served::with_ten().await;
    let mut client = FlowdClient::new(served.channel.clone());
    for (request, code, says) in [
        (WhyRequest::default(), Code::InvalidArgument, "ask for"),
        (
            tuple("nobody", "10.0.0.2"),
            Code::InvalidArgument,
            "namespace/name",
        ),
        (
            tuple("shop/nobody", "10.0.0.2"),
            Code::NotFound,
            "flowctl status",
        ),
        (tuple("192.0.2.1", "192.0.2.2"), Code::NotFound, "neither"),
        (
            request(Question::Uuid(Boot::fixed(1).uuid(1).to_string())),
            Code::NotFound,
            "the oldest flow available is",
        ),
    ] {
        let status = client.why(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), code, "{request:?}");
        assert!(status.message().contains(says), "{status}");
    }
}

#[tokio::test]
async fn policies_are_served_with_their_hits() {
    let mut served = Served::new(100, Options::default()).await;
    served.world.tell(&[open(), open(), dropped()]);
    served.world.sources.status.store(Status {
        policies: ["front", "idle"]
            .map(|name| PolicyStatus {
                kind: "CiliumNetworkPolicy".into(),
                namespace: "shop".into(),
                name: name.into(),
                valid: true,
                ..PolicyStatus::default()
            })
            .into(),
        ..Status::default()
    });
    let mut client = FlowdClient::new(served.channel.clone());
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    let [front, idle] = status.policies.as_slice() else {
        panic!("{status:?}");
    };
    assert_eq!((front.hits, front.last_hit.is_some()), (3, true));
    let rules = front.rules.iter();
    let rules: Vec<_> = rules
        .map(|rule| (rule.rule.as_str(), rule.action(), rule.hits))
        .collect();
    assert_eq!(
        rules,
        [
            ("default_deny", RuleAction::Deny, 1),
            ("spec.egress[1]", RuleAction::Allow, 2)
        ]
    );
    assert_eq!((idle.hits, idle.last_hit, idle.rules.len()), (0, None, 0));
}
