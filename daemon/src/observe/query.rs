//! One `GetFlows`: where it starts, which flows it tells, when it ends. Time is an argument.

use std::ops::Deref;
use std::task::{Context as TaskContext, Poll};

use flowd_proto::flow::LostEvent;
use flowd_proto::flowd::v1::Coverage;
use flowd_proto::observer::GetFlowsRequest;
use flowd_proto::{MaskError, Timestamp};
use thiserror::Error;

use super::coverage::Reach;
use super::filter::{Context, FilterError, FilterSet, extension};
use super::lost::Lost;
use super::mask::Mask;
use crate::flow::{Chunk, Cursor, Log, Read, Record, Start};

/// Records looked at in one step; between steps other work of the thread gets its turn.
const SCAN_BUDGET: usize = 8_192;

/// How far times of neighbouring segments may be out of order: two rings are read in turns, and a
/// packet is timed before it is told.
const DISORDER: i64 = 2_000_000_000;

/// Why a request is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    /// Both ends asked for.
    #[error("first cannot be specified with follow")]
    FirstWithFollow,
    /// A time that is none.
    #[error("invalid {0}: nanoseconds go from 0 to 999999999")]
    Time(&'static str),
    /// A filter is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A field mask is wrong.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A field mask without end.
    #[error("invalid fieldmask: {0} paths, at most {1}")]
    MaskPaths(usize, usize),
}

impl QueryError {
    /// Whether the request is not wrong but larger than its bounds.
    pub const fn is_too_much(&self) -> bool {
        match self {
            Self::MaskPaths(..) | Self::Filter(FilterError::TooMany { .. }) => true,
            Self::FirstWithFollow
            | Self::Time(_)
            | Self::Mask(_)
            | Self::Filter(FilterError::Value { .. }) => false,
        }
    }
}

/// A request that has been checked.
#[derive(Debug)]
pub struct Plan {
    filters: FilterSet,
    number: u64,
    first: bool,
    follow: bool,
    since: Option<i64>,
    until: Option<i64>,
    /// Where to go on, for a client that comes back.
    resume: Option<u64>,
    /// What to send of each flow.
    pub mask: Mask,
}

impl Plan {
    /// Checks a request.
    ///
    /// # Errors
    ///
    /// When the request asks for something that cannot be.
    pub fn compile(request: &GetFlowsRequest, context: &Context) -> Result<Self, QueryError> {
        if request.first && request.follow {
            return Err(QueryError::FirstWithFollow);
        }
        let mask = match &request.field_mask {
            Some(mask) if !mask.paths.is_empty() => Mask::compile(&mask.paths)?,
            Some(_) | None => Mask::default(),
        };
        Ok(Self {
            filters: FilterSet::extended(
                &request.whitelist,
                &request.blacklist,
                &extension::unpack(request.extensions.as_ref())?,
                context,
            )?,
            number: request.number,
            first: request.first,
            follow: request.follow,
            since: nanos("since", request.since)?,
            until: nanos("until", request.until)?,
            resume: None,
            mask,
        })
    }

    /// Starts at this flow, whatever was asked for.
    #[must_use]
    pub fn resume_at(mut self, seq: u64) -> Self {
        self.resume = Some(seq);
        self
    }

    /// Finds where it starts. Looks at up to the whole log.
    pub fn start(self, log: &Log) -> Query {
        let head = log.seen();
        let start = match (
            self.resume,
            self.since,
            self.first,
            self.follow,
            self.number,
        ) {
            (Some(seq), ..) => Start::Seq(seq),
            (None, Some(since), ..) => Start::Seq(at_or_before(log, head, since)),
            (None, None, true, ..) => Start::Oldest,
            (None, None, false, true, 0) => Start::Seq(head),
            (None, None, false, false, 0) => Start::Oldest,
            (None, None, false, _, number) => Start::Seq(self.rewind(log, head, number)),
        };
        let cursor = log.cursor(start);
        Query {
            reach: Reach::of(log, cursor.position(), self.since, self.until),
            cursor,
            chunk: None,
            end: (!self.follow).then_some(head),
            left: (!self.follow && self.number > 0).then_some(self.number),
            lost: Lost::default(),
            lost_flows: 0,
            plan: self,
        }
    }

    /// The flow from which on there are `number` that pass, or the oldest.
    fn rewind(&self, log: &Log, head: u64, number: u64) -> u64 {
        let (mut position, mut found) = (head, 0);
        while let Some(segment) = log.before(position) {
            let before = segment
                .records()
                .iter()
                .rev()
                .skip_while(|record| record.seq >= position);
            for record in before {
                if self.filters.pass(record) {
                    found += 1;
                    if found == number {
                        return record.seq;
                    }
                }
            }
            position = segment.first();
        }
        position
    }
}

/// A position from which on no flow of `since` or later is missed.
fn at_or_before(log: &Log, head: u64, since: i64) -> u64 {
    let mut position = head;
    while let Some(segment) = log.before(position) {
        if segment.newest() < since.saturating_sub(DISORDER) {
            break;
        }
        position = segment.first();
    }
    position
}

/// A time of a request, in Unix nanoseconds.
pub(crate) fn nanos(
    field: &'static str,
    time: Option<Timestamp>,
) -> Result<Option<i64>, QueryError> {
    let Some(time) = time else {
        return Ok(None);
    };
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(QueryError::Time(field));
    }
    let nanos = time.seconds.saturating_mul(1_000_000_000);
    Ok(Some(nanos.saturating_add(i64::from(time.nanos))))
}

/// A flow to tell; keeps its segment alive.
#[derive(Clone, Debug)]
pub struct FlowRef {
    chunk: Chunk,
    index: usize,
}

impl Deref for FlowRef {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.chunk[self.index]
    }
}

/// What a query does next.
#[derive(Debug)]
pub enum Step {
    /// Tell this flow.
    Flow(FlowRef),
    /// Tell that flows were lost.
    Lost(LostEvent),
    /// Much was looked at and nothing passed: give others a turn, then go on.
    Busy,
    /// Nothing new; see [`Query::poll_more`].
    Wait,
    /// It is over.
    End,
}

/// A query on its way through the log.
#[derive(Debug)]
pub struct Query {
    plan: Plan,
    cursor: Cursor,
    chunk: Option<(Chunk, usize)>,
    /// Sequence number at which a query that does not follow ends.
    end: Option<u64>,
    left: Option<u64>,
    lost: Lost,
    lost_flows: u64,
    reach: Reach,
}

impl Query {
    /// The next step at time `now`, Unix nanoseconds.
    pub fn step(&mut self, now: i64) -> Step {
        if let Some(lost) = self.lost.take(now) {
            return Step::Lost(lost);
        }
        let mut budget = self.plan.filters.share(SCAN_BUDGET);
        loop {
            if self.left == Some(0) {
                return self.finish(now);
            }
            let Some((chunk, index)) = &mut self.chunk else {
                match self.cursor.read() {
                    Read::Flows(chunk) => self.chunk = Some((chunk, 0)),
                    Read::Gap(gap) => {
                        self.lost.add(gap, now);
                        self.lost_flows += gap.flows();
                        self.reach.lose(gap);
                        if let Some(lost) = self.lost.take(now) {
                            return Step::Lost(lost);
                        }
                    }
                    Read::UpToDate if self.end.is_some() => return self.finish(now),
                    Read::UpToDate => return Step::Wait,
                }
                continue;
            };
            let Some(record) = chunk.get(*index) else {
                self.chunk = None;
                continue;
            };
            if self.end.is_some_and(|end| record.seq >= end) {
                self.left = Some(0);
                continue;
            }
            let this = *index;
            *index += 1;
            match self.plan.judge(record) {
                Judgement::Tell => {
                    let flow = FlowRef {
                        chunk: chunk.clone(),
                        index: this,
                    };
                    if let Some(left) = &mut self.left {
                        *left -= 1;
                    }
                    return Step::Flow(flow);
                }
                Judgement::Skip => {}
                Judgement::End => self.left = Some(0),
            }
            budget -= 1;
            if budget == 0 {
                return Step::Busy;
            }
        }
    }

    /// Waits for more flows; `false` once there will be none.
    pub fn poll_more(&mut self, context: &mut TaskContext<'_>) -> Poll<bool> {
        self.cursor.poll_more(context)
    }

    /// When lost flows are to be told although no flow comes.
    pub fn lost_due(&self) -> Option<i64> {
        self.lost.due()
    }

    /// How far the answer reaches so far.
    pub fn coverage(&self) -> Coverage {
        let read = self.chunk.as_ref().map(|(chunk, index)| {
            let next = chunk.get(*index).map(|record| record.seq);
            next.unwrap_or_else(|| self.cursor.position())
        });
        let position = read.unwrap_or_else(|| self.cursor.position());
        self.reach
            .message(self.end.map_or(position, |end| position.min(end)))
    }

    /// Flows lost since this was last asked.
    pub fn take_lost_flows(&mut self) -> u64 {
        std::mem::take(&mut self.lost_flows)
    }

    fn finish(&mut self, now: i64) -> Step {
        self.lost.flush(now).map_or(Step::End, Step::Lost)
    }
}

enum Judgement {
    Tell,
    Skip,
    End,
}

impl Plan {
    #[inline]
    fn judge(&self, record: &Record) -> Judgement {
        if self.since.is_some_and(|since| record.time < since) {
            return Judgement::Skip;
        }
        if self.until.is_some_and(|until| record.time > until) {
            // Until the head is known, later flows may still be followed by earlier ones.
            return if self.follow {
                Judgement::End
            } else {
                Judgement::Skip
            };
        }
        if self.filters.pass(record) {
            Judgement::Tell
        } else {
            Judgement::Skip
        }
    }
}
