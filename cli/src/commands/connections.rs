//! `flowctl connections`: what is open, or denied, now.

use flowd_proto::flowd::v1::aggregates_client::AggregatesClient;
use flowd_proto::flowd::v1::{ConnectionOrder, ConnectionsRequest, FlowSelection};

use super::{channel, print, print_json, unary};
use crate::args::{AggregateOutput, ConnectionsArgs, FilterTerms, ServerArgs};
use crate::failure::Failure;
use crate::filter;
use crate::print::connections;

/// An answer of 2000 connections with long names.
pub(super) const MAX_ANSWER: usize = 64 << 20;

pub(super) async fn run(server: &ServerArgs, args: &ConnectionsArgs) -> Result<(), Failure> {
    let request = ConnectionsRequest {
        selection: Some(selection(&args.filters)?),
        denied: args.denied,
        order: ConnectionOrder::from(args.sort).into(),
        number: args.number,
    };
    let client = AggregatesClient::new(channel(server).await?);
    let mut client = client.max_decoding_message_size(MAX_ANSWER);
    let answer = client.connections(unary(server, request)).await?;
    let answer = answer.into_inner();
    match args.format.output {
        AggregateOutput::Compact => print(&connections::table(&answer, args.format.numeric)?),
        AggregateOutput::Json => print_json(&answer),
        AggregateOutput::Csv => print(&connections::csv(&answer)?),
    }
}

/// What filter flags ask for.
pub(super) fn selection(terms: &FilterTerms) -> Result<FlowSelection, Failure> {
    let filters = filter::build(&terms.0)?;
    Ok(FlowSelection {
        whitelist: filters.allow,
        blacklist: filters.deny,
        extension: Some(filters.beyond),
    })
}
