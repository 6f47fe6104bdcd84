//! `flowd.v1.Modes`: what is done with denials, by namespace and by endpoint.

use flowd_proto::flowd::v1::modes_server::Modes;
use flowd_proto::flowd::v1::{
    ClearModeRequest, ClearModeResponse, ListModesRequest, ListModesResponse, SetModeRequest,
    SetModeResponse, TargetMode,
};
use tonic::{Request, Response, Status};

use super::PolicyDoor;
use crate::modes::{ModeSource, StoreError, Target};
use crate::serve::status::Mode;
use crate::serve::{Sources, gate};

pub(super) struct ModeService {
    sources: Sources,
    door: PolicyDoor,
}

impl ModeService {
    pub(super) const fn new(sources: Sources, door: PolicyDoor) -> Self {
        Self { sources, door }
    }

    /// A mode as it is told, with how many endpoints have it from there.
    fn told(&self, target: &Target, mode: Mode) -> TargetMode {
        let status = self.sources.status.load();
        let theirs = status.endpoints.iter().filter(|endpoint| match target {
            Target::Namespace(name) => {
                endpoint.namespace == *name && endpoint.mode_source == ModeSource::Namespace
            }
            Target::Endpoint(name) => {
                format!("{}/{}", endpoint.namespace, endpoint.name) == *name
                    && endpoint.mode_source == ModeSource::Endpoint
            }
        });
        TargetMode {
            target: target.to_string(),
            mode: mode.name().to_owned(),
            endpoints: u32::try_from(theirs.count()).unwrap_or(u32::MAX),
        }
    }

    /// Endpoints of a namespace that go by what their own file or setting says.
    fn others(&self, target: &Target) -> Option<String> {
        let Target::Namespace(name) = target else {
            return None;
        };
        let status = self.sources.status.load();
        let own = status.endpoints.iter().filter(|endpoint| {
            let own = match endpoint.mode_source {
                ModeSource::EndpointFile | ModeSource::Endpoint => true,
                ModeSource::Default | ModeSource::NamespaceFile | ModeSource::Namespace => false,
            };
            own && endpoint.namespace == *name
        });
        let own: Vec<&str> = own.map(|endpoint| endpoint.name.as_str()).collect();
        (!own.is_empty()).then(|| format!("these have a mode of their own: {}", own.join(", ")))
    }
}

#[tonic::async_trait]
impl Modes for ModeService {
    async fn set_mode(
        &self,
        request: Request<SetModeRequest>,
    ) -> Result<Response<SetModeResponse>, Status> {
        gate::about(&request, || {
            let asked = request.get_ref();
            format!("{} {}", asked.target, asked.mode)
        });
        let SetModeRequest { target, mode } = request.into_inner();
        let target = target_of(&target)?;
        let mode = Mode::of_name(&mode).ok_or_else(|| {
            let short: String = mode.chars().take(64).collect();
            Status::invalid_argument(format!("{short:?} is none of enforce, audit and off"))
        })?;
        let before = self.door.modes.set(&target, mode).map_err(status)?;
        tracing::warn!(
            %target,
            mode = mode.name(),
            before = before.map_or("none", Mode::name),
            "mode set through the API"
        );
        let generation = self.door.enforced(&self.sources).await?;
        let set = self.told(&target, mode);
        let nobody = (set.endpoints == 0)
            .then(|| "no guarded endpoint has it now; it counts for those that come".to_owned());
        Ok(Response::new(SetModeResponse {
            set: Some(set),
            before: before.map_or("", Mode::name).to_owned(),
            generation,
            notes: nobody.into_iter().chain(self.others(&target)).collect(),
        }))
    }

    async fn clear_mode(
        &self,
        request: Request<ClearModeRequest>,
    ) -> Result<Response<ClearModeResponse>, Status> {
        gate::about(&request, || request.get_ref().target.clone());
        let target = target_of(&request.get_ref().target)?;
        let mode = self.door.modes.clear(&target).map_err(status)?;
        tracing::warn!(%target, before = mode.name(), "mode cleared through the API");
        let generation = self.door.enforced(&self.sources).await?;
        Ok(Response::new(ClearModeResponse {
            cleared: Some(self.told(&target, mode)),
            generation,
        }))
    }

    async fn list_modes(
        &self,
        _: Request<ListModesRequest>,
    ) -> Result<Response<ListModesResponse>, Status> {
        let overrides = self.door.modes.snapshot();
        let namespaces = overrides.namespaces.iter();
        let namespaces =
            namespaces.map(|(name, mode)| self.told(&Target::Namespace(name.clone()), *mode));
        let endpoints = overrides.endpoints.iter();
        let endpoints =
            endpoints.map(|(name, mode)| self.told(&Target::Endpoint(name.clone()), *mode));
        Ok(Response::new(ListModesResponse {
            modes: namespaces.chain(endpoints).collect(),
        }))
    }
}

fn target_of(text: &str) -> Result<Target, Status> {
    text.parse()
        .map_err(|error: crate::modes::TargetError| Status::invalid_argument(error.to_string()))
}

fn status(error: StoreError) -> Status {
    let text = error.to_string();
    match error {
        StoreError::TooMany => Status::resource_exhausted(text),
        StoreError::NotSet(_) => Status::not_found(text),
        StoreError::Io { .. } => Status::internal(text),
    }
}
