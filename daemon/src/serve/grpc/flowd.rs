//! `flowd.v1.Flowd`: the state of flowd itself.

use flowd_proto::flowd::v1::flowd_server::Flowd;
use flowd_proto::flowd::v1::{
    ExplainRequest, ExplainResponse, StatusRequest, StatusResponse, WhyRequest, WhyResponse,
};
use tonic::{Request, Response, Status};

use crate::serve::{Sources, answer};

pub(super) struct FlowdService {
    sources: Sources,
}

impl FlowdService {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources }
    }
}

#[tonic::async_trait]
impl Flowd for FlowdService {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(answer::status(&self.sources)))
    }

    async fn why(&self, _: Request<WhyRequest>) -> Result<Response<WhyResponse>, Status> {
        Err(Status::unimplemented("why"))
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
