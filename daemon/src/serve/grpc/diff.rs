//! `flowd.v1.Policies/Diff`, beside the threads that serve: an answer compiles every policy twice and
//! looks at every connection and the whole log.

use std::sync::{Arc, Mutex, PoisonError};

use flowd_proto::flowd::v1::{DiffRequest, DiffResponse};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::clock::now;
use crate::kernel::sweep::{Sweep, SweepError};
use crate::rehearse::{self, Live, RehearseError};
use crate::serve::Sources;

/// Questions answered at a time; others wait.
pub(super) const AT_A_TIME: usize = 1;

/// Answers a question.
pub(super) async fn answer(
    sources: &Sources,
    diffs: &Arc<Semaphore>,
    sweep: Arc<Mutex<Sweep>>,
    request: DiffRequest,
) -> Result<DiffResponse, Status> {
    let permit = Arc::clone(diffs).acquire_owned().await;
    let permit = permit.map_err(|_| Status::unavailable("flowd is stopping"))?;
    let (view, log) = (sources.policies.snapshot(), sources.log.clone());
    let since = since(request.since_seconds);
    let answered = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let live = live(&sweep).map_err(|error| Status::internal(error.to_string()))?;
        rehearse::answer(&view, &live, &log, &request, since).map_err(status)
    });
    answered
        .await
        .map_err(|error| Status::internal(format!("the answer failed: {error}")))?
}

pub(super) fn live(sweep: &Mutex<Sweep>) -> Result<Live, SweepError> {
    let mut sweep = sweep.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Live {
        connections: sweep.live()?,
        denied: sweep.denied()?,
    })
}

/// Unix time in nanoseconds, this many seconds ago; 0 for 0.
fn since(seconds: u32) -> i64 {
    if seconds == 0 {
        return 0;
    }
    now().saturating_sub(i64::from(seconds).saturating_mul(1_000_000_000))
}

fn status(error: RehearseError) -> Status {
    let text = error.to_string();
    match error {
        RehearseError::Invalid(_) => Status::invalid_argument(text),
        RehearseError::NotFound(_) => Status::not_found(text),
        RehearseError::Compile(_) => Status::failed_precondition(text),
    }
}
