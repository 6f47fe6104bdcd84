//! `GetFlows`: how far an answer reaches, and what becomes of readers that are slow.

use flowd_proto::flow::LostEventSource;

use super::*;

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
