//! `flowd.v1.Flowd`: the state of flowd itself.

use std::sync::Arc;

use flowd_proto::flowd::v1::flowd_server::Flowd;
use flowd_proto::flowd::v1::{
    ExplainRequest, ExplainResponse, StatusRequest, StatusResponse, WhyRequest, WhyResponse,
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::serve::{Sources, answer, gate, why};

pub(super) struct FlowdService {
    sources: Sources,
    whys: Arc<Semaphore>,
}

impl FlowdService {
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            sources,
            whys: Arc::new(Semaphore::new(why::AT_A_TIME)),
        }
    }
}

#[tonic::async_trait]
impl Flowd for FlowdService {
    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        let scope = gate::scope(&request)?;
        Ok(Response::new(answer::status(&self.sources, &scope)))
    }

    async fn why(&self, request: Request<WhyRequest>) -> Result<Response<WhyResponse>, Status> {
        let scope = gate::scope(&request)?;
        gate::about(&request, || {
            serde_json::to_string(request.get_ref()).unwrap_or_default()
        });
        let answer = why::answer(&self.sources, &self.whys, request.into_inner(), &scope).await?;
        Ok(Response::new(answer))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        let reason = &request.get_ref().reason;
        answer::explain(reason).map(Response::new).ok_or_else(|| {
            let short: String = reason.chars().take(64).collect();
            Status::not_found(format!(
                "no reason is called {short:?}; ask without one for the list"
            ))
        })
    }
}
