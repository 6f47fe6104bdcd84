//! The connections, or the denied flows, of the kernel's tables, the first by some order.

use std::cmp::Reverse;

use flowd_proto::flowd::v1::{
    Connection as Listed, ConnectionOrder, ConnectionsRequest, ConnectionsResponse,
};

use super::entries::{Entries, Entry};
use super::{AggregateError, filters, number};
use crate::observe::FilterSet;
use crate::observe::extension::Numbers;
use crate::observe::filter::Context;
use crate::observe::flow::{View, build, timestamp};
use crate::observe::mask::Parts;
use crate::rehearse::Live;

/// Connections in one answer, at most: as many as fit into a message of the usual size.
const MAX_NUMBER: usize = 2_000;
/// Connections when nobody says how many.
const DEFAULT_NUMBER: usize = 100;

/// A request that has been checked.
#[derive(Debug)]
pub struct ListPlan {
    filters: FilterSet,
    order: ConnectionOrder,
    denied: bool,
    number: usize,
}

impl ListPlan {
    /// Checks a request.
    ///
    /// # Errors
    ///
    /// When the request asks for something that cannot be.
    pub fn compile(
        request: &ConnectionsRequest,
        context: &Context,
    ) -> Result<Self, AggregateError> {
        Ok(Self {
            filters: filters(request.selection.as_ref(), context)?,
            order: ConnectionOrder::try_from(request.order)
                .map_err(|_| AggregateError::Unknown("order", request.order))?,
            denied: request.denied,
            number: number("connections", request.number, DEFAULT_NUMBER, MAX_NUMBER)?,
        })
    }

    /// Answers from the tables.
    pub fn run(&self, live: &Live, entries: &mut Entries<'_>, view: &View) -> ConnectionsResponse {
        let count = if self.denied {
            live.denied.len()
        } else {
            live.connections.len()
        };
        let mut places: Vec<(Reverse<u64>, usize)> = (0..count)
            .filter_map(|place| {
                let entry = self.entry(live, entries, place)?;
                let passes = self.filters.pass(&entry.record);
                passes.then(|| (Reverse(self.rank(&entry)), place))
            })
            .collect();
        let matched = places.len();
        places.sort_unstable();
        places.truncate(self.number);
        let connections: Vec<Listed> = places
            .iter()
            .filter_map(|(_, place)| self.entry(live, entries, *place))
            .map(|entry| listed(&entry, view))
            .collect();
        ConnectionsResponse {
            truncated: matched > connections.len(),
            connections,
            matched: matched as u64,
            looked_at: count as u64,
            time: Some(timestamp(entries.time())),
            node_name: view.directory.load().node_name.clone(),
        }
    }

    fn entry(&self, live: &Live, entries: &mut Entries<'_>, place: usize) -> Option<Entry> {
        if self.denied {
            let (key, denied) = live.denied.get(place)?;
            entries.denied(key, denied)
        } else {
            let (key, connection) = live.connections.get(place)?;
            entries.connection(key, connection)
        }
    }

    /// The greatest comes first.
    fn rank(&self, entry: &Entry) -> u64 {
        let judged = &entry.record.judged;
        let positive = |time: i64| u64::try_from(time).unwrap_or(0);
        match self.order {
            ConnectionOrder::Unspecified => Numbers::of(judged).bytes(),
            ConnectionOrder::Packets => Numbers::of(judged).packets(),
            ConnectionOrder::Newest => judged.event.created,
            ConnectionOrder::Oldest => u64::MAX - judged.event.created,
            ConnectionOrder::LastPacket => positive(entry.last),
            ConnectionOrder::Rtt => {
                let measured = entry.record.measured;
                u64::from(measured.rtt.max(measured.handshake_rtt))
            }
        }
    }
}

fn listed(entry: &Entry, view: &View) -> Listed {
    let mut flow = build(&entry.record, view, Parts::ALL);
    flow.uuid.clear();
    Listed {
        flow: Some(flow),
        last_packet: Some(timestamp(entry.last)),
        answered: entry.answered,
    }
}
