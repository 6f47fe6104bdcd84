//! `flowd.v1.Aggregates`, beside the threads that serve: an answer looks at the whole log and at every
//! entry of the kernel's tables.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use flowd_proto::flowd::v1::aggregates_server::Aggregates;
use flowd_proto::flowd::v1::{ConnectionsRequest, ConnectionsResponse, TopRequest, TopResponse};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::diff;
use crate::access::Reason;
use crate::aggregate::{AggregateError, Entries, ListPlan, TopPlan};
use crate::clock::{monotonic, now};
use crate::enrich::Owners;
use crate::kernel::sweep::Sweep;
use crate::observe::filter::Context;
use crate::rehearse::Live;
use crate::serve::{Sources, gate};

/// Answers made at a time; others wait. Each may take as much memory as the log.
const AT_A_TIME: usize = 1;

type ReadTables = dyn Fn() -> Result<Live, String> + Send + Sync;

/// The kernel's tables and who owns their sockets.
#[derive(Clone)]
pub struct AggregateDoor {
    read: Arc<ReadTables>,
    owners: Arc<Mutex<Owners>>,
}

impl fmt::Debug for AggregateDoor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AggregateDoor").finish_non_exhaustive()
    }
}

impl AggregateDoor {
    /// The tables that a sweep walks.
    pub fn new(sweep: &Arc<Mutex<Sweep>>, owners: Owners) -> Self {
        let sweep = Arc::clone(sweep);
        Self::reading(
            move || diff::live(&sweep).map_err(|error| error.to_string()),
            owners,
        )
    }

    /// What `read` says the tables hold.
    pub(super) fn reading(
        read: impl Fn() -> Result<Live, String> + Send + Sync + 'static,
        owners: Owners,
    ) -> Self {
        Self {
            read: Arc::new(read),
            owners: Arc::new(Mutex::new(owners)),
        }
    }
}

pub(super) struct AggregateService {
    sources: Sources,
    door: Option<AggregateDoor>,
    running: Arc<Semaphore>,
}

impl AggregateService {
    pub(super) fn new(sources: Sources, door: Option<AggregateDoor>) -> Self {
        Self {
            sources,
            door,
            running: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    fn context<T>(&self, request: &Request<T>) -> Result<Context, Status> {
        Ok(Context {
            directory: self.sources.directory.clone(),
            boot: self.sources.boot,
            scope: gate::scope(request)?,
        })
    }

    fn refused<T>(&self, request: &Request<T>, error: &AggregateError) -> Status {
        if !error.is_too_much() {
            return Status::invalid_argument(error.to_string());
        }
        let text = format!("{error}; ask for less in one request");
        let gate = &self.sources.gate;
        gate.count(&gate::client(request), Reason::FilterCost, &text);
        Status::resource_exhausted(text)
    }

    /// Runs `work` beside the threads that serve, when it is its turn.
    async fn run<A: Send + 'static>(
        &self,
        work: impl FnOnce(&Sources) -> Result<A, Status> + Send + 'static,
    ) -> Result<Response<A>, Status> {
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let permit = permit.map_err(|_| Status::unavailable("flowd is stopping"))?;
        let sources = self.sources.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&sources)
        });
        let answer = answered.await;
        let answer = answer.map_err(|error| Status::internal(format!("no answer: {error}")))?;
        answer.map(Response::new)
    }
}

#[tonic::async_trait]
impl Aggregates for AggregateService {
    async fn connections(
        &self,
        request: Request<ConnectionsRequest>,
    ) -> Result<Response<ConnectionsResponse>, Status> {
        let context = self.context(&request)?;
        gate::about(&request, || {
            serde_json::to_string(request.get_ref()).unwrap_or_default()
        });
        let plan = ListPlan::compile(request.get_ref(), &context)
            .map_err(|error| self.refused(&request, &error))?;
        let door = self.door.clone().ok_or_else(|| {
            Status::failed_precondition("this flowd has no tables of the kernel to read")
        })?;
        self.run(move |sources| {
            let live = (door.read)().map_err(Status::internal)?;
            let mut owners = door.owners.lock().unwrap_or_else(PoisonError::into_inner);
            let directory = sources.directory.snapshot();
            let mut entries = Entries::new(&directory, &mut owners, (monotonic(), now()));
            Ok(plan.run(&live, &mut entries, &sources.view()))
        })
        .await
    }

    async fn top(&self, request: Request<TopRequest>) -> Result<Response<TopResponse>, Status> {
        let context = self.context(&request)?;
        gate::about(&request, || {
            serde_json::to_string(request.get_ref()).unwrap_or_default()
        });
        let plan = TopPlan::compile(request.get_ref(), &context)
            .map_err(|error| self.refused(&request, &error))?;
        let door = self.door.clone();
        self.run(move |sources| {
            let directory = sources.directory.snapshot();
            let mut nobody = Owners::nobody();
            let mut locked = door
                .as_ref()
                .map(|door| door.owners.lock().unwrap_or_else(PoisonError::into_inner));
            let owners = locked.as_deref_mut().unwrap_or(&mut nobody);
            let mut entries = Entries::new(&directory, owners, (monotonic(), now()));
            let read = || {
                door.as_ref()
                    .map_or_else(|| Ok(Live::default()), |door| (door.read)())
            };
            let mut answer = plan
                .run(&sources.log, &mut entries, read)
                .map_err(Status::internal)?;
            answer.node_name.clone_from(&directory.node_name);
            Ok(answer)
        })
        .await
    }
}
