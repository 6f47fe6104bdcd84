//! What the flows of a window add up to by group: one walk over the log, then the kernel's tables for
//! what no flow has told yet.

use flowd_abi::{Direction, Endpoint, Verdict};
use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::{
    FlowExtensionFilter, FlowSelection, Perspective, TopOrder, TopRequest, TopResponse, TopRow,
    Traffic,
};

use super::entries::{Entries, Entry};
use super::group::{Group, Grouper};
use super::meter::Meter;
use super::tally::Tally;
use super::{AggregateError, filters, number};
use crate::flow::record::Judged;
use crate::flow::{Log, Read, Record, Start};
use crate::observe::FilterSet;
use crate::observe::coverage::Reach;
use crate::observe::filter::Context;
use crate::observe::flow::timestamp;
use crate::observe::query::nanos;
use crate::rehearse::Live;

/// Groups in one answer, at most.
const MAX_NUMBER: usize = 1_000;
/// Groups when nobody says how many.
const DEFAULT_NUMBER: usize = 10;
/// The tables' clock is behind that of events by less than this, in nanoseconds: a tick of the kernel.
const TICK: i64 = 10_000_000;
/// Groups kept while counting, at most: some megabytes.
pub(super) const MAX_GROUPS: usize = 16_384;

/// A request that has been checked.
#[derive(Debug)]
pub struct TopPlan {
    filters: FilterSet,
    since: Option<i64>,
    until: Option<i64>,
    order: TopOrder,
    number: usize,
    grouper: Grouper,
    perspective: Perspective,
    at_each_end: bool,
    groups: usize,
}

impl TopPlan {
    /// Checks a request.
    ///
    /// # Errors
    ///
    /// When the request asks for something that cannot be.
    pub fn compile(request: &TopRequest, context: &Context) -> Result<Self, AggregateError> {
        let since = nanos("since", request.since)?;
        let until = nanos("until", request.until)?;
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            return Err(AggregateError::Backwards);
        }
        let grouper = Grouper::new(&request.group_by)?;
        let selection = request.selection.as_ref();
        let told_apart = selection.is_some_and(tells_ends_apart);
        Ok(Self {
            filters: filters(selection, context)?,
            since,
            until,
            order: TopOrder::try_from(request.order)
                .map_err(|_| AggregateError::Unknown("order", request.order))?,
            number: number("groups", request.number, DEFAULT_NUMBER, MAX_NUMBER)?,
            perspective: match grouper.is_about_the_source() || grouper.is_of_connections() {
                true => Perspective::FromSource,
                false => Perspective::FromWorkload,
            },
            at_each_end: told_apart || !grouper.is_of_connections(),
            grouper,
            groups: MAX_GROUPS,
        })
    }

    /// The same, that keeps fewer groups while counting.
    #[cfg(test)]
    pub(super) fn keeping(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Whether the window reaches to this moment, so that the tables of the kernel belong to it.
    pub const fn reaches_now(&self) -> bool {
        self.until.is_none()
    }

    /// Counts. `live` gives the entries of the kernel's tables; it is asked after the log was read,
    /// so that what it holds is never older than what the log has told.
    ///
    /// # Errors
    ///
    /// What `live` says.
    pub fn run<E>(
        self,
        log: &Log,
        entries: &mut Entries<'_>,
        live: impl FnOnce() -> Result<Live, E>,
    ) -> Result<TopResponse, E> {
        let head = log.seen();
        let oldest = log.oldest_time();
        let now = entries.time();
        let start = self.since.or(oldest).unwrap_or(now);
        let mut reach = Reach::of(log, log.oldest(), self.since, self.until);
        let mut count = Count {
            meter: Meter::new(start),
            tally: Tally::new(self.order, self.groups),
            unknown_beginnings: 0,
            start,
            plan: self,
        };
        let mut cursor = log.cursor(Start::Oldest);
        while cursor.position() < head {
            match cursor.read() {
                Read::Flows(chunk) => {
                    let until_head = chunk.iter().take_while(|record| record.seq < head);
                    until_head.for_each(|record| count.record(record));
                }
                Read::Gap(gap) => reach.lose(gap),
                Read::UpToDate => break,
            }
        }
        if count.plan.reaches_now() {
            let live = live()?;
            for (key, connection) in &live.connections {
                let entry = entries.connection(key, connection);
                entry.iter().for_each(|entry| count.entry(entry));
            }
            for (key, denied) in &live.denied {
                let entry = entries.denied(key, denied);
                entry.iter().for_each(|entry| count.entry(entry));
            }
        }
        let coverage = reach.message(head);
        // Of a window that begins before the oldest flow there is, only the rest was counted.
        let from = match oldest {
            Some(oldest) if coverage.begins_too_late => oldest,
            Some(_) | None => start,
        };
        let mut answer = count.answer();
        answer.coverage = Some(coverage);
        answer.from = Some(timestamp(from));
        answer.to.get_or_insert(timestamp(now));
        Ok(answer)
    }
}

/// Whether filters ask for something that the two ends of a connection tell differently. Then it is
/// not enough to look at its source.
fn tells_ends_apart(selection: &FlowSelection) -> bool {
    let ours = selection.extension.as_ref();
    let beyond = ours.is_some_and(|ours| {
        let mut lists = ours.whitelist.iter().chain(&ours.blacklist);
        let differs = |filter: &FlowExtensionFilter| {
            let same = FlowExtensionFilter {
                min_bytes: filter.min_bytes,
                max_bytes: filter.max_bytes,
                min_packets: filter.min_packets,
                max_packets: filter.max_packets,
                min_duration: filter.min_duration,
                max_duration: filter.max_duration,
                ..FlowExtensionFilter::default()
            };
            same != *filter
        };
        ours.shadow != 0 || lists.any(differs)
    });
    let filters = selection.whitelist.iter().chain(&selection.blacklist);
    let mut filters = filters.map(|filter| {
        // What is left names no end, or names it by who opened the connection.
        let same = FlowFilter {
            source_ip: filter.source_ip.clone(),
            source_pod: filter.source_pod.clone(),
            source_label: filter.source_label.clone(),
            source_port: filter.source_port.clone(),
            source_identity: filter.source_identity.clone(),
            source_workload: filter.source_workload.clone(),
            source_cluster_name: filter.source_cluster_name.clone(),
            destination_ip: filter.destination_ip.clone(),
            destination_pod: filter.destination_pod.clone(),
            destination_label: filter.destination_label.clone(),
            destination_port: filter.destination_port.clone(),
            destination_identity: filter.destination_identity.clone(),
            destination_workload: filter.destination_workload.clone(),
            destination_cluster_name: filter.destination_cluster_name.clone(),
            protocol: filter.protocol.clone(),
            ip_version: filter.ip_version.clone(),
            node_name: filter.node_name.clone(),
            ..FlowFilter::default()
        };
        same != *filter
    });
    beyond || filters.any(|differs| differs)
}

/// A plan at work.
struct Count {
    plan: TopPlan,
    start: i64,
    meter: Meter,
    tally: Tally<Group>,
    unknown_beginnings: u64,
}

impl Count {
    fn record(&mut self, record: &Record) {
        if self.plan.until.is_none_or(|until| record.time <= until) {
            self.add(record);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        if entry.last.saturating_add(TICK) >= self.start {
            self.add(&entry.record);
        }
    }

    fn add(&mut self, record: &Record) {
        let mut gain = self.meter.read(record);
        let seen_elsewhere = !self.plan.at_each_end && is_seen_at_the_source(record);
        if record.time < self.start || seen_elsewhere {
            return;
        }
        let record = &*record.of_the_opener();
        if !self.plan.filters.pass(record) {
            return gain.hold();
        }
        gain.release();
        let first = gain.count();
        self.unknown_beginnings += u64::from(first && gain.has_unknown_beginning());
        if !first && gain.is_nothing() {
            return;
        }
        let (sent, received) = (gain.sent, gain.received);
        let traffic = traffic(&record.judged, first, sent, received, self.plan.perspective);
        let group = self.plan.grouper.group(record);
        self.tally.add(group, &traffic);
    }

    fn answer(self) -> TopResponse {
        let Self {
            plan,
            tally,
            unknown_beginnings,
            ..
        } = self;
        let sums = tally.into_sums(plan.number);
        let rows = sums.rows.iter().map(|(group, traffic)| TopRow {
            group: plan.grouper.values(group),
            traffic: Some(*traffic),
        });
        TopResponse {
            rows: rows.collect(),
            other: Some(sums.other),
            other_groups: sums.other_groups,
            total: Some(sums.total),
            group_by: plan.grouper.keys().iter().map(|key| *key as i32).collect(),
            perspective: plan.perspective as i32,
            at_each_end: plan.at_each_end,
            to: plan.until.map(timestamp),
            shed_groups: sums.shed_groups,
            rows_lack_at_most: sums.lack,
            unknown_beginnings,
            ..TopResponse::default()
        }
    }
}

/// Whether the workload that opened the connection is one of this node and tells it as well. A drop
/// is told only where it happened.
fn is_seen_at_the_source(record: &Record) -> bool {
    let opener = record.peer.endpoint_id;
    record.judged.judged_direction() == Direction::Ingress
        && opener != 0
        && opener != Endpoint::HOST_ID
        && !is_dropped(&record.judged)
}

const fn is_dropped(judged: &Judged) -> bool {
    match judged.verdict {
        Verdict::Drop(_) => true,
        Verdict::Forward(_) | Verdict::Audit(_) => false,
    }
}

fn traffic(
    judged: &Judged,
    first: bool,
    sent: (u64, u64),
    received: (u64, u64),
    perspective: Perspective,
) -> Traffic {
    let flows = u64::from(first);
    if is_dropped(judged) {
        return Traffic {
            flows,
            dropped_packets: sent.0.saturating_add(received.0),
            dropped_bytes: sent.1.saturating_add(received.1),
            ..Traffic::default()
        };
    }
    let opened_by_peer = judged.judged_direction() == Direction::Ingress;
    let (sent, received) = match perspective {
        Perspective::FromSource if opened_by_peer => (received, sent),
        Perspective::FromSource | Perspective::FromWorkload | Perspective::Unspecified => {
            (sent, received)
        }
    };
    Traffic {
        flows,
        sent_packets: sent.0,
        sent_bytes: sent.1,
        received_packets: received.0,
        received_bytes: received.1,
        ..Traffic::default()
    }
}
