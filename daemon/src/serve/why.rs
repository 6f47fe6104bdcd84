//! What decided on a flow, for gRPC and the page alike, beside the threads that serve: an answer
//! may look at the whole log.

use std::sync::Arc;

use flowd_proto::flowd::v1::{WhyRequest, WhyResponse};
use tokio::sync::Semaphore;
use tonic::Status;

use super::Sources;
use crate::access::Scope;
use crate::why::{self, Context, WhyError};

/// Questions answered at a time; others wait.
pub(super) const AT_A_TIME: usize = 2;

/// Answers a question.
pub(super) async fn answer(
    sources: &Sources,
    whys: &Arc<Semaphore>,
    request: WhyRequest,
    scope: &Scope,
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
    let answer = answered
        .await
        .map_err(|error| Status::internal(format!("the answer failed: {error}")))?
        .map_err(|error| match error {
            WhyError::Invalid(line) => Status::invalid_argument(line),
            WhyError::Unknown(line) => Status::not_found(line),
        })?;
    seen(answer, scope)
}

/// What of an answer a client sees: the ends whose workload is in one of its namespaces.
fn seen(mut answer: WhyResponse, scope: &Scope) -> Result<WhyResponse, Status> {
    if *scope == Scope::All {
        return Ok(answer);
    }
    answer.ends.retain(|end| {
        let namespace = end.endpoint.split_once('/').map_or("", |(name, _)| name);
        scope.sees(namespace)
    });
    if answer.ends.is_empty() {
        return Err(Status::not_found(
            "no such flow at a workload of the namespaces you may see",
        ));
    }
    answer.passed = answer.ends.iter().all(|end| {
        !matches!(
            end.verdict(),
            flowd_proto::flow::Verdict::Dropped | flowd_proto::flow::Verdict::Error
        )
    });
    Ok(answer)
}
