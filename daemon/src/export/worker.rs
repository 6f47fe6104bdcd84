//! The thread of one exporter: read, filter, hand over, and wait where that fails.

use std::sync::Arc;
use std::time::Duration;

use flowd_proto::observer::{ExportEvent, GetFlowsResponse, export_event, get_flows_response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::aggregate::Table;
use super::collector::Sent;
use super::counts::Counts;
use super::plan::{Plan, Target};
use crate::clock::now;
use crate::flow::log::Cursor;
use crate::flow::{Chunk, Gap, Read};
use crate::observe::flow::View;
use crate::observe::lost::Lost;
use crate::observe::wire::Encoder;

/// Flows handed over at a time.
const BATCH: usize = 512;
/// Reads after it was told to stop: a log that fills faster than it exports must not keep it.
const LAST_READS: u32 = 1_024;
/// After a failure, doubled with each further one.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two tries, at most.
const LEAST_OFTEN: Duration = Duration::from_secs(10);

/// One exporter at work.
pub(super) struct Worker {
    name: String,
    plan: Plan,
    cursor: Cursor,
    encoder: Encoder,
    table: Option<Table>,
    counts: Arc<Counts>,
}

/// Told to stop before it was done.
struct Stopped;

impl Worker {
    pub(super) fn new(
        name: String,
        plan: Plan,
        cursor: Cursor,
        view: View,
        counts: Arc<Counts>,
    ) -> Self {
        let table = plan.counting.as_ref().map(|counting| {
            let encoder = Encoder::new(view.clone(), counting.mask.clone());
            Table::new(encoder, counting.max_keys)
        });
        Self {
            encoder: Encoder::new(view, plan.mask.clone()),
            name,
            plan,
            cursor,
            table,
            counts,
        }
    }

    /// Exports until told to stop, then what is in the log at that moment; the number of the flow
    /// it would have gone on with.
    pub(super) fn run(mut self, mut stop: watch::Receiver<bool>) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => {
                let _ = runtime.block_on(self.work(&mut stop));
            }
            Err(error) => {
                self.counts.stuck(&format!("it cannot be started: {error}"));
            }
        }
        if let Some(table) = &self.table {
            self.counts.lose(table.flows());
        }
        self.counts.position()
    }

    async fn work(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        let interval = self
            .plan
            .counting
            .as_ref()
            .map(|counting| counting.interval);
        let mut due = interval.map(|interval| Instant::now() + interval);
        loop {
            self.drain(stop).await?;
            if due.is_some_and(|due| due <= Instant::now()) {
                self.tell_table(stop).await?;
                due = interval.map(|interval| Instant::now() + interval);
            }
            if *stop.borrow() {
                return self.tell_table(stop).await;
            }
            let tick = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let over = tokio::select! {
                // Its sender is gone with the daemon, which is the same.
                _ = stop.wait_for(|stopped| *stopped) => false,
                more = self.cursor.more() => !more,
                () = tick => false,
            };
            if over {
                self.drain(stop).await?;
                return self.tell_table(stop).await;
            }
        }
    }

    /// Exports what is in the log.
    async fn drain(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        let mut last_reads = LAST_READS;
        loop {
            if *stop.borrow() {
                last_reads -= 1;
                if last_reads == 0 {
                    return Ok(());
                }
            }
            match self.cursor.read() {
                Read::UpToDate => return Ok(()),
                Read::Gap(gap) => self.miss(gap, stop).await?,
                Read::Flows(chunk) => self.flows(&chunk, stop).await?,
            }
        }
    }

    async fn miss(&mut self, gap: Gap, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        self.counts.miss(gap, now());
        tracing::warn!(
            name = self.name,
            from = gap.from,
            to = gap.to,
            "an exporter was too slow"
        );
        let mut lost = Lost::default();
        lost.add(gap, now());
        if let Some(lost) = lost.flush(now()) {
            let response = self.encoder.lost_message(lost);
            self.hand_over(&[event(response)], stop).await?;
        }
        self.counts.at(gap.to);
        Ok(())
    }

    async fn flows(
        &mut self,
        chunk: &Chunk,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        for part in chunk.chunks(BATCH) {
            let mut batch = Vec::new();
            for record in part {
                let over = self.plan.end.is_some_and(|end| record.time > end);
                if over || !self.plan.filters.pass(record) {
                    continue;
                }
                match &mut self.table {
                    Some(table) => table.add(record),
                    None => batch.push(event(self.encoder.message(record))),
                }
                if self.table.as_ref().is_some_and(Table::is_full) {
                    self.tell_table(stop).await?;
                }
            }
            if !batch.is_empty() {
                let flows = batch.len() as u64;
                let rejected = self.hand_over(&batch, stop).await?;
                self.counts.export(flows.saturating_sub(rejected));
            }
            if let Some(last) = part.last() {
                self.counts.at(last.seq + 1);
            }
        }
        Ok(())
    }

    async fn tell_table(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
        let Some(table) = &mut self.table else {
            return Ok(());
        };
        let flows = table.flows();
        let events = table.take();
        for batch in events.chunks(BATCH) {
            if let Err(stopped) = self.hand_over(batch, stop).await {
                self.counts.lose(flows);
                return Err(stopped);
            }
        }
        self.counts.export(flows);
        Ok(())
    }

    /// Hands a batch over, however often that has to be tried; how many of it were not wanted.
    async fn hand_over(
        &mut self,
        batch: &[ExportEvent],
        stop: &mut watch::Receiver<bool>,
    ) -> Result<u64, Stopped> {
        let mut wait = PATIENCE;
        loop {
            let problem = match &mut self.plan.target {
                Target::Lines(lines) => match lines.write(batch) {
                    Ok(()) => break self.handed_over(0),
                    Err(error) => error.to_string(),
                },
                Target::Collector(collector) => match collector.send(batch).await {
                    Sent::All => break self.handed_over(0),
                    Sent::Rejected(flows, why) if flows < batch.len() as u64 => {
                        tracing::warn!(name = self.name, flows, why, "not wanted");
                        break self.handed_over(flows);
                    }
                    Sent::Rejected(flows, why) => break Ok(self.unwanted(flows, &why)),
                    Sent::Later(problem) => problem,
                },
            };
            if self.counts.stuck(&problem) {
                tracing::error!(name = self.name, problem, "an exporter waits; flows go on");
            }
            if *stop.borrow() {
                return Err(Stopped);
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => {}
                () = sleep(wait) => wait = (wait * 2).min(LEAST_OFTEN),
            }
        }
    }

    /// A batch of which nothing was wanted is gone, as OTLP has it. More likely than not the next
    /// one fares the same, so what is wrong stays in the status until something is taken.
    fn unwanted(&self, flows: u64, why: &str) -> u64 {
        if self.counts.stuck(why) {
            tracing::error!(name = self.name, why, "nothing that is exported is wanted");
        }
        self.counts.reject(flows);
        flows
    }

    fn handed_over(&self, rejected: u64) -> Result<u64, Stopped> {
        if self.counts.free() {
            tracing::info!(name = self.name, "an exporter goes on");
        }
        self.counts.reject(rejected);
        Ok(rejected)
    }
}

fn event(response: GetFlowsResponse) -> ExportEvent {
    let told = response.response_types.map(|told| match told {
        get_flows_response::ResponseTypes::Flow(flow) => export_event::ResponseTypes::Flow(flow),
        get_flows_response::ResponseTypes::NodeStatus(status) => {
            export_event::ResponseTypes::NodeStatus(status)
        }
        get_flows_response::ResponseTypes::LostEvents(lost) => {
            export_event::ResponseTypes::LostEvents(lost)
        }
    });
    ExportEvent {
        node_name: response.node_name,
        time: response.time,
        response_types: told,
    }
}
