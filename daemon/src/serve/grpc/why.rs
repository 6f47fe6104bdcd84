//! `flowd.v1.Flowd/Why`, beside the threads that serve: an answer may look at the whole log.

use std::sync::Arc;

use flowd_proto::flowd::v1::{WhyRequest, WhyResponse};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::serve::Sources;
use crate::why::{self, Context, WhyError};

/// Questions answered at a time; others wait.
pub(super) const AT_A_TIME: usize = 2;

/// Answers a question.
pub(super) async fn answer(
    sources: &Sources,
    whys: &Arc<Semaphore>,
    request: WhyRequest,
) -> Result<WhyResponse, Status> {
    let permit = Arc::clone(whys).acquire_owned().await;
    let permit = permit.map_err(|_| Status::unavailable("flowd is stopping"))?;
    let sources = sources.clone();
    let answered = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let context = Context {
            log: &sources.log,
            policies: &sources.policies.snapshot(),
            hits: sources.flows.hits(),
            flows: &sources.view(),
        };
        why::answer(&context, &request)
    });
    answered
        .await
        .map_err(|error| Status::internal(format!("the answer failed: {error}")))?
        .map_err(|error| match error {
            WhyError::Invalid(line) => Status::invalid_argument(line),
            WhyError::Unknown(line) => Status::not_found(line),
        })
}
