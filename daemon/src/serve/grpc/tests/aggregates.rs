//! `flowd.v1.Aggregates` through the real client.

use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::aggregates_client::AggregatesClient;
use flowd_proto::flowd::v1::{
    ConnectionsRequest, FlowSelection, GroupKey, TopOrder, TopRequest, Traffic,
};

use super::*;
use crate::clock::now;
use crate::enrich::Owners;
use crate::rehearse::Live;

fn by_reason() -> TopRequest {
    TopRequest {
        group_by: vec![GroupKey::Reason as i32],
        order: TopOrder::Drops.into(),
        ..TopRequest::default()
    }
}

#[tokio::test]
async fn the_log_alone_is_enough_for_who_moves_most() {
    let served = Served::with_ten().await;
    let mut client = AggregatesClient::new(served.channel.clone());
    let answer = client.top(by_reason()).await.unwrap().into_inner();
    let rows: Vec<(&str, Traffic)> = answer
        .rows
        .iter()
        .map(|row| (row.group[0].value.as_str(), row.traffic.unwrap()))
        .collect();
    let [(first, drops), (second, passed)] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(
        (*first, drops.flows, drops.dropped_packets),
        ("default_denied", 4, 4)
    );
    assert_eq!(
        (*second, passed.flows, passed.dropped_packets),
        ("allowed", 6, 0)
    );
    assert_eq!(answer.node_name, "node-a");
    let coverage = answer.coverage.unwrap();
    assert_eq!((coverage.to_seq, coverage.lost), (10, 0));
    let filtered = TopRequest {
        selection: Some(FlowSelection {
            blacklist: vec![FlowFilter {
                verdict: vec![flowd_proto::flow::Verdict::Dropped.into()],
                ..FlowFilter::default()
            }],
            ..FlowSelection::default()
        }),
        ..by_reason()
    };
    let answer = client.top(filtered).await.unwrap().into_inner();
    assert_eq!(answer.rows.len(), 1);
}

#[tokio::test]
async fn what_is_too_much_or_wrong_is_refused_with_its_code() {
    let served = Served::with_ten().await;
    let mut client = AggregatesClient::new(served.channel.clone());
    let many = TopRequest {
        number: 1_001,
        ..TopRequest::default()
    };
    let status = client.top(many).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let unknown = TopRequest {
        group_by: vec![99],
        ..TopRequest::default()
    };
    let status = client.top(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = client.connections(ConnectionsRequest::default()).await;
    assert_eq!(status.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn tables_that_cannot_be_read_are_an_error_and_no_empty_answer() {
    let options = Options {
        aggregates: Some(AggregateDoor::reading(
            || Err::<Live, _>("no table today".to_owned()),
            Owners::nobody(),
        )),
        ..Options::default()
    };
    let served = Served::new(10, options).await;
    let mut client = AggregatesClient::new(served.channel.clone());
    let status = client.connections(ConnectionsRequest::default()).await;
    assert!(status.unwrap_err().message().contains("no table today"));
    let status = client.top(by_reason()).await.unwrap_err();
    assert!(status.message().contains("no table today"));
    // A window of the past needs no table.
    let past = TopRequest {
        until: Some(crate::observe::flow::timestamp(now())),
        ..by_reason()
    };
    assert!(client.top(past).await.is_ok());
}
