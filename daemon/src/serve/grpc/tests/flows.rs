//! `GetFlows`: which flows, in which form, to whom.

use flowd_proto::flow::{FlowFilter, LostEventSource, Verdict};
use flowd_proto::{FieldMask, Timestamp};

use super::*;
use crate::flow::testing::OFFSET;

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: OFFSET / 1_000_000_000 + second,
        nanos: 0,
    })
}

fn drops() -> FlowFilter {
    FlowFilter {
        verdict: vec![Verdict::Dropped as i32],
        ..FlowFilter::default()
    }
}

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
async fn a_reader_is_told_its_exact_gap() {
    let mut served = Served::new(8, Options::default()).await;
    for number in 0..4 {
        served.world.tell(&[numbered(number)]);
    }
    let follow = GetFlowsRequest {
        follow: true,
        number: 4,
        ..GetFlowsRequest::default()
    };
    let mut stream = served
        .observer()
        .get_flows(follow)
        .await
        .unwrap()
        .into_inner();
    for expected in 0..4 {
        assert_eq!(port(&flow_of(next(&mut stream).await.unwrap())), expected);
    }
    // One batch larger than all the log holds, while the reader is not polled.
    for first in [4, 12, 20] {
        let batch: Vec<Event> = (first..first + 8).map(numbered).collect();
        served.world.tell(&batch);
    }
    let (mut lost, mut ports) = (0, Vec::new());
    while ports.last() != Some(&27) {
        match next(&mut stream).await.unwrap().response_types {
            Some(ResponseTypes::LostEvents(event)) => {
                assert_eq!(event.source(), LostEventSource::HubbleRingBuffer);
                lost += event.num_events_lost;
            }
            Some(ResponseTypes::Flow(flow)) => ports.push(port(&flow)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost + ports.len() as u64, 24);
    assert!(lost > 0);
    assert_eq!(served.world.sources.flows.reader_gap_flows(), lost);
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

#[tokio::test]
async fn a_reader_that_stands_still_costs_the_others_nothing() {
    const STEP: usize = 500;
    const STEPS: usize = 40;
    let mut served = Served::new(2 * STEP, Options::default()).await;
    let follow = GetFlowsRequest {
        follow: true,
        ..GetFlowsRequest::default()
    };
    let mut still = served
        .observer()
        .get_flows(follow.clone())
        .await
        .unwrap()
        .into_inner();
    let mut live = served
        .observer()
        .get_flows(follow)
        .await
        .unwrap()
        .into_inner();
    for _ in 0..STEPS {
        served.world.tell(&vec![numbered(1); STEP]);
        for _ in 0..STEP {
            flow_of(next(&mut live).await.unwrap());
        }
    }
    let (mut flows, mut lost) = (0, 0);
    while flows + lost < (STEP * STEPS) as u64 {
        match next(&mut still).await.unwrap().response_types {
            Some(ResponseTypes::LostEvents(event)) => lost += event.num_events_lost,
            Some(ResponseTypes::Flow(_)) => flows += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(flows + lost, (STEP * STEPS) as u64);
    assert!(lost > 0, "{flows} flows fitted into the send buffers");
}

#[tokio::test]
async fn a_reader_that_stands_still_does_not_hold_up_the_end() {
    let mut served = Served::new(50_000, Options::default()).await;
    served.world.tell(&vec![numbered(1); 50_000]);
    let request = GetFlowsRequest {
        follow: true,
        number: u64::MAX,
        ..GetFlowsRequest::default()
    };
    let mut still = served
        .observer()
        .get_flows(request)
        .await
        .unwrap()
        .into_inner();
    flow_of(next(&mut still).await.unwrap());
    served.world.stopper.stop();
    let server = timeout(PATIENCE, served.server).await.unwrap().unwrap();
    assert!(server.is_ok());
}

fn coverage_in(metadata: &tonic::metadata::MetadataMap) -> flowd_proto::flowd::v1::Coverage {
    use prost::Message as _;
    let value = metadata.get_bin(crate::serve::grpc::flows::COVERAGE);
    let bytes = value.expect("the metadata").to_bytes().expect("base64");
    flowd_proto::flowd::v1::Coverage::decode(bytes).expect("a coverage")
}

#[tokio::test]
async fn an_answer_says_how_far_it_reaches() {
    let mut served = Served::new(8, Options::default()).await;
    for number in 0..12 {
        served.world.tell(&[numbered(number)]);
    }
    let request = GetFlowsRequest {
        since: at(2),
        ..GetFlowsRequest::default()
    };
    let response = served.observer().get_flows(request).await.unwrap();
    let begun = coverage_in(response.metadata());
    assert_eq!((begun.oldest_seq, begun.from_seq), (4, 4));
    assert_eq!(begun.oldest_time, at(4));
    assert_eq!((begun.since, begun.until), (at(2), None));
    assert!(begun.begins_too_late, "flows 2 and 3 are gone");
    let mut stream = response.into_inner();
    let mut ports = Vec::new();
    while let Some(response) = next(&mut stream).await {
        ports.push(port(&flow_of(response)));
    }
    assert_eq!(ports, (4..12).collect::<Vec<u32>>());
    let ended = coverage_in(&stream.trailers().await.unwrap().expect("trailers"));
    assert_eq!((ended.to_seq, ended.lost), (12, 0));

    let request = GetFlowsRequest {
        since: at(6),
        ..GetFlowsRequest::default()
    };
    let response = served.observer().get_flows(request).await.unwrap();
    assert!(!coverage_in(response.metadata()).begins_too_late);
}

#[tokio::test]
async fn a_gap_is_in_the_coverage_too() {
    let mut served = Served::new(8, Options::default()).await;
    served.world.tell(&[numbered(0)]);
    let request = GetFlowsRequest {
        follow: true,
        number: 1,
        until: at(40),
        ..GetFlowsRequest::default()
    };
    let mut stream = served
        .observer()
        .get_flows(request)
        .await
        .unwrap()
        .into_inner();
    next(&mut stream).await.expect("the first");
    for first in [1, 9, 17] {
        let batch: Vec<Event> = (first..first + 8).map(numbered).collect();
        served.world.tell(&batch);
    }
    served.world.tell(&[numbered(41)]);
    let (mut lost, mut flows) = (0, 1);
    while let Some(response) = next(&mut stream).await {
        match response.response_types {
            Some(ResponseTypes::LostEvents(event)) => lost += event.num_events_lost,
            Some(ResponseTypes::Flow(_)) => flows += 1,
            other => panic!("{other:?}"),
        }
    }
    let ended = coverage_in(&stream.trailers().await.unwrap().expect("trailers"));
    let ranges = ended.lost_ranges.iter();
    assert_eq!(ranges.map(|range| range.to - range.from).sum::<u64>(), lost);
    assert_eq!((ended.lost, flows + lost), (lost, 25));
    assert!(lost > 0);
}
