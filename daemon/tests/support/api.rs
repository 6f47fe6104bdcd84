//! The gRPC API over the unix socket, for tests that do not want to be async.

use std::path::{Path, PathBuf};

use flowd_proto::{
    flow::{Flow, FlowFilter},
    flowd::v1::{
        ApplyRequest, ApplyResponse, BreakGlassAction, BreakGlassRequest, ConfirmRequest,
        ConfirmResponse, DeleteRequest, DeleteResponse, EndpointStatus, HostStatus, LedgerRow,
        ListRequest, PolicyObject, StatusRequest, StatusResponse, flowd_client::FlowdClient,
        policies_client::PoliciesClient,
    },
    observer::{
        GetFlowsRequest, get_flows_response::ResponseTypes, observer_client::ObserverClient,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// A status with the flows of a flood in it is large.
const MAX_ANSWER: usize = 64 << 20;

/// One connection to a flowd.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) runtime: Runtime,
    pub(crate) channel: Channel,
}

impl Api {
    /// Connects to the socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self, String> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let path = PathBuf::from(socket);
        let connector = service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = runtime
            .block_on(Endpoint::from_static("http://localhost").connect_with_connector(connector))
            .map_err(|error| format!("{}: {error}", socket.display()))?;
        Ok(Self { runtime, channel })
    }

    /// The flows a request asks for, or how it was refused.
    pub(crate) fn get_flows(&self, request: GetFlowsRequest) -> Result<Vec<Flow>, tonic::Status> {
        let mut client = ObserverClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let mut stream = client.get_flows(request).await?.into_inner();
            let mut flows = Vec::new();
            while let Some(answer) = stream.message().await? {
                if let Some(ResponseTypes::Flow(flow)) = answer.response_types {
                    flows.push(flow);
                }
            }
            Ok(flows)
        })
    }

    /// Every flow in memory that passes the filter, oldest first.
    pub(crate) fn flows(&self, filter: FlowFilter) -> Vec<Flow> {
        let request = GetFlowsRequest {
            first: true,
            number: u64::MAX,
            whitelist: vec![filter],
            ..GetFlowsRequest::default()
        };
        self.get_flows(request).expect("the flows are served")
    }

    /// What flowd says of itself.
    pub(crate) fn status(&self) -> Result<StatusResponse, String> {
        let mut client =
            FlowdClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        self.runtime
            .block_on(client.status(StatusRequest {}))
            .map(tonic::Response::into_inner)
            .map_err(|error| error.to_string())
    }

    /// Applies a policy text; with `confirm_seconds` it undoes itself unless confirmed.
    pub(crate) fn apply(
        &self,
        yaml: &str,
        confirm_seconds: u32,
    ) -> Result<ApplyResponse, tonic::Status> {
        self.apply_from("", yaml, confirm_seconds)
    }

    /// The same from within a session, named as `SSH_CONNECTION` does.
    pub(crate) fn apply_from(
        &self,
        ssh_connection: &str,
        yaml: &str,
        confirm_seconds: u32,
    ) -> Result<ApplyResponse, tonic::Status> {
        self.request(ApplyRequest {
            yaml: yaml.to_owned(),
            confirm_seconds,
            ssh_connection: ssh_connection.to_owned(),
            ..ApplyRequest::default()
        })
    }

    /// Applies a policy text as shadow policies.
    pub(crate) fn shadow(&self, yaml: &str) -> Result<ApplyResponse, tonic::Status> {
        self.request(ApplyRequest {
            yaml: yaml.to_owned(),
            shadow: true,
            ..ApplyRequest::default()
        })
    }

    fn request(&self, request: ApplyRequest) -> Result<ApplyResponse, tonic::Status> {
        let mut client = PoliciesClient::new(self.channel.clone());
        self.runtime
            .block_on(client.apply(request))
            .map(tonic::Response::into_inner)
    }

    /// Switches the policies for the node out of force or back.
    pub(crate) fn break_glass(&self, action: BreakGlassAction) -> HostStatus {
        let mut client = PoliciesClient::new(self.channel.clone());
        let request = BreakGlassRequest {
            action: action.into(),
            ssh_connection: String::new(),
        };
        let answer = self.runtime.block_on(client.break_glass(request));
        answer
            .expect("switched")
            .into_inner()
            .host
            .unwrap_or_default()
    }

    /// Confirms a change.
    pub(crate) fn confirm(&self, confirmation: &str) -> Result<ConfirmResponse, tonic::Status> {
        let mut client = PoliciesClient::new(self.channel.clone());
        let confirmation = confirmation.to_owned();
        self.runtime
            .block_on(client.confirm(ConfirmRequest { confirmation }))
            .map(tonic::Response::into_inner)
    }

    /// Takes an applied policy out of force.
    pub(crate) fn delete(&self, policy: &str) -> Result<DeleteResponse, tonic::Status> {
        let mut client = PoliciesClient::new(self.channel.clone());
        let request = DeleteRequest {
            policy: policy.to_owned(),
            ..DeleteRequest::default()
        };
        self.runtime
            .block_on(client.delete(request))
            .map(tonic::Response::into_inner)
    }

    /// The policies in force.
    pub(crate) fn policies(&self) -> Vec<PolicyObject> {
        let mut client = PoliciesClient::new(self.channel.clone());
        let answer = self.runtime.block_on(client.list(ListRequest {}));
        answer.expect("a list").into_inner().policies
    }

    /// What flowd says of one workload of the shop.
    pub(crate) fn endpoint(&self, name: &str) -> Option<EndpointStatus> {
        let endpoints = self.status().ok()?.endpoints;
        endpoints.into_iter().find(|one| one.name == name)
    }

    /// The counters of one verdict reason towards the workloads (ingress) or from them (egress).
    pub(crate) fn ledger(&self, reason: &str, direction: i32) -> LedgerRow {
        let ledger = self.status().expect("a status").ledger.unwrap_or_default();
        ledger
            .rows
            .into_iter()
            .find(|row| row.reason == reason && row.direction == direction)
            .unwrap_or_default()
    }
}
