//! Like flows counted together, in a table with a bound.

use std::collections::HashMap;

use flowd_abi::Direction;
use flowd_proto::Timestamp;
use flowd_proto::flow::{Aggregate, Flow};
use flowd_proto::observer::{ExportEvent, export_event, get_flows_response::ResponseTypes};
use prost::Message;

use crate::flow::Record;
use crate::observe::wire::Encoder;

/// Flows by what they agree in.
#[derive(Debug)]
pub(super) struct Table {
    encoder: Encoder,
    max_keys: usize,
    kinds: HashMap<Vec<u8>, Kind>,
    flows: u64,
}

#[derive(Debug)]
struct Kind {
    flow: Flow,
    node_name: String,
    newest: i64,
    counts: Aggregate,
}

impl Table {
    /// A table whose encoder masks all but what flows are to agree in.
    pub(super) fn new(encoder: Encoder, max_keys: usize) -> Self {
        Self {
            encoder,
            max_keys,
            kinds: HashMap::new(),
            flows: 0,
        }
    }

    /// Counts a flow.
    pub(super) fn add(&mut self, record: &Record) {
        let response = self.encoder.message(record);
        let Some(ResponseTypes::Flow(flow)) = response.response_types else {
            return;
        };
        self.flows += 1;
        let kind = self
            .kinds
            .entry(flow.encode_to_vec())
            .or_insert_with(|| Kind {
                flow,
                node_name: response.node_name,
                newest: record.time,
                counts: Aggregate::default(),
            });
        kind.newest = kind.newest.max(record.time);
        let count = match record.judged.judged_direction() {
            Direction::Ingress => &mut kind.counts.ingress_flow_count,
            Direction::Egress => &mut kind.counts.egress_flow_count,
        };
        *count = count.saturating_add(1);
    }

    /// Whether it is to be told before its time.
    pub(super) fn is_full(&self) -> bool {
        self.kinds.len() >= self.max_keys
    }

    /// Flows counted since it was last told.
    pub(super) const fn flows(&self) -> u64 {
        self.flows
    }

    /// One event for each kind; the table starts over.
    pub(super) fn take(&mut self) -> Vec<ExportEvent> {
        self.flows = 0;
        let mut kinds: Vec<Kind> = self.kinds.drain().map(|(_, kind)| kind).collect();
        kinds.sort_by_key(|kind| kind.newest);
        let events = kinds.into_iter().map(|kind| {
            let time = u64::try_from(kind.newest).unwrap_or(0);
            let time = Some(Timestamp::from_unix_nanos(time));
            let mut flow = kind.flow;
            // Without a time, nothing that reads flows could sort them.
            flow.time = time;
            flow.aggregate = Some(kind.counts);
            ExportEvent {
                node_name: kind.node_name,
                time,
                response_types: Some(export_event::ResponseTypes::Flow(flow)),
            }
        });
        events.collect()
    }
}
