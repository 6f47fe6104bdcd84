//! `GetFlows`: which flows, in which form, to whom.

use flowd_proto::FieldMask;
use flowd_proto::flow::{FlowFilter, Verdict};

use super::*;

#[tokio::test]
async fn past_flows_are_chosen_as_asked() {
    let served = Served::with_ten().await;
    let ask = GetFlowsRequest::default;
    for (request, expected) in [
        (ask(), (0..10).collect::<Vec<u32>>()),
        (GetFlowsRequest { number: 3, ..ask() }, vec![7, 8, 9]),
        (
            GetFlowsRequest {
                number: u64::MAX,
                ..ask()
            },
            (0..10).collect(),
        ),
        (
            GetFlowsRequest {
                number: 3,
                first: true,
                ..ask()
            },
            vec![0, 1, 2],
        ),
        (
            GetFlowsRequest {
                since: at(7),
                ..ask()
            },
            vec![7, 8, 9],
        ),
        (
            GetFlowsRequest {
                until: at(2),
                ..ask()
            },
            vec![0, 1, 2],
        ),
        (
            GetFlowsRequest {
                since: at(2),
                until: at(4),
                ..ask()
            },
            vec![2, 3, 4],
        ),
        (
            GetFlowsRequest {
                since: at(2),
                number: 2,
                ..ask()
            },
            vec![2, 3],
        ),
        (
            GetFlowsRequest {
                since: at(2),
                first: true,
                number: 1,
                ..ask()
            },
            vec![2],
        ),
        (
            GetFlowsRequest {
                whitelist: vec![drops()],
                ..ask()
            },
            vec![0, 3, 6, 9],
        ),
        (
            GetFlowsRequest {
                whitelist: vec![drops()],
                number: 2,
                ..ask()
            },
            vec![6, 9],
        ),
        (
            GetFlowsRequest {
                blacklist: vec![drops()],
                number: 2,
                ..ask()
            },
            vec![7, 8],
        ),
        (
            GetFlowsRequest {
                whitelist: vec![drops()],
                number: 2,
                first: true,
                ..ask()
            },
            vec![0, 3],
        ),
        (
            GetFlowsRequest {
                since: at(100),
                ..ask()
            },
            vec![],
        ),
    ] {
        assert_eq!(served.flows(request.clone()).await, expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_follower_gets_the_newest_flow_at_once() {
    let mut served = Served::with_ten().await;
    let follow = |number| GetFlowsRequest {
        follow: true,
        number,
        ..GetFlowsRequest::default()
    };
    let mut from_now = served
        .observer()
        .get_flows(follow(0))
        .await
        .unwrap()
        .into_inner();
    let mut from_two = served
        .observer()
        .get_flows(follow(2))
        .await
        .unwrap()
        .into_inner();
    for expected in [8, 9] {
        assert_eq!(port(&flow_of(next(&mut from_two).await.unwrap())), expected);
    }
    for number in 10..13 {
        served.world.tell(&[numbered(number)]);
        for stream in [&mut from_now, &mut from_two] {
            let flow = flow_of(next(stream).await.unwrap());
            assert_eq!(port(&flow), u32::from(number));
        }
    }
}

#[tokio::test]
async fn a_follower_ends_after_until_and_with_the_server() {
    let mut served = Served::with_ten().await;
    let request = GetFlowsRequest {
        follow: true,
        since: at(8),
        until: at(10),
        ..GetFlowsRequest::default()
    };
    let mut ending = served
        .observer()
        .get_flows(request.clone())
        .await
        .unwrap()
        .into_inner();
    served
        .world
        .tell(&[numbered(10), numbered(11), numbered(12)]);
    for expected in [8, 9, 10] {
        assert_eq!(port(&flow_of(next(&mut ending).await.unwrap())), expected);
    }
    assert_eq!(next(&mut ending).await, None);
    let endless = GetFlowsRequest {
        follow: true,
        ..GetFlowsRequest::default()
    };
    let mut endless = served
        .observer()
        .get_flows(endless)
        .await
        .unwrap()
        .into_inner();
    served.world.stopper.stop();
    assert_eq!(next(&mut endless).await, None);
    drop((endless, ending));
    let server = timeout(PATIENCE, served.server).await.unwrap().unwrap();
    assert!(server.is_ok());
}

#[tokio::test]
async fn a_mask_hides_what_it_does_not_name() {
    let served = Served::with_ten().await;
    let request = GetFlowsRequest {
        number: 1,
        field_mask: Some(FieldMask {
            paths: vec!["verdict".into(), "source.identity".into()],
        }),
        ..GetFlowsRequest::default()
    };
    let mut stream = served
        .observer()
        .get_flows(request)
        .await
        .unwrap()
        .into_inner();
    let response = next(&mut stream).await.unwrap();
    assert_eq!((response.time, response.node_name.as_str()), (None, ""));
    let flow = flow_of(response);
    assert_eq!(flow.verdict(), Verdict::Dropped);
    let source = flow.source.unwrap();
    assert_eq!((source.identity, source.labels), (2, vec![]));
    assert_eq!(
        (flow.l4, flow.uuid.as_str(), flow.destination),
        (None, "", None)
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_name() {
    let served = Served::with_ten().await;
    let ask = GetFlowsRequest::default;
    let mask = |path: &str| GetFlowsRequest {
        field_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..ask()
    };
    let address = FlowFilter {
        source_ip: vec!["10.0.0".into()],
        ..FlowFilter::default()
    };
    for (request, part) in [
        (
            GetFlowsRequest {
                first: true,
                follow: true,
                ..ask()
            },
            "first cannot be",
        ),
        (mask("source.pod"), "source.pod"),
        (mask("nonsense"), "invalid fieldmask"),
        (
            GetFlowsRequest {
                whitelist: vec![address.clone()],
                ..ask()
            },
            "10.0.0",
        ),
        (
            GetFlowsRequest {
                blacklist: vec![address],
                ..ask()
            },
            "10.0.0",
        ),
        (
            GetFlowsRequest {
                since: Some(Timestamp {
                    seconds: 0,
                    nanos: -1,
                }),
                ..ask()
            },
            "since",
        ),
    ] {
        let status = served.refused(request).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(part), "{status}");
    }
    let huge = FlowFilter {
        source_label: vec!["a".repeat(10 << 20)],
        ..FlowFilter::default()
    };
    let status = served
        .refused(GetFlowsRequest {
            whitelist: vec![huge],
            ..ask()
        })
        .await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(served.flows(ask()).await.len(), 10);
}
