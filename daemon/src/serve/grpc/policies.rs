//! `flowd.v1.Policies`: policies that come through the API.

use std::sync::{Arc, Mutex};

use flowd_proto::Timestamp;
use flowd_proto::flowd::v1::policies_server::Policies;
use flowd_proto::flowd::v1::{
    ApplyRequest, ApplyResponse, BreakGlassAction, BreakGlassRequest, BreakGlassResponse,
    ConfirmRequest, ConfirmResponse, DeleteRequest, DeleteResponse, DiffRequest, DiffResponse,
    ListRequest, ListResponse, PolicyObject,
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::{diff, host};
use crate::applied::{Applied, Change, Elsewhere, Pending, StoreError, Wish};
use crate::clock::{now, realtime};
use crate::flow::happening::{AppliedFacts, Happening, Step};
use crate::guard::Nudge;
use crate::host::{BreakGlass, Operator};
use crate::kernel::sweep::Sweep;
use crate::modes::ModeStore;
use crate::serve::status::PolicyStatus;
use crate::serve::{Sources, gate, hits};

/// Bytes of a policy text, at most; as of a file.
const MAX_TEXT: usize = 4 << 20;

/// What the service works on.
#[derive(Clone, Debug)]
pub struct PolicyDoor {
    /// The store.
    pub applied: Applied,
    /// The modes of namespaces and endpoints.
    pub modes: ModeStore,
    /// The control loop.
    pub nudge: Nudge,
    /// The connections the operator is kept by.
    pub operator: Operator,
    /// Whether policies for this node are out of force.
    pub glass: BreakGlass,
    /// The connections and denied flows of the kernel.
    pub sweep: Arc<Mutex<Sweep>>,
}

impl PolicyDoor {
    /// The generation in force once the control loop has looked.
    pub(super) async fn enforced(&self, sources: &Sources) -> Result<u64, Status> {
        if !self.nudge.settle().await {
            return Err(Status::deadline_exceeded(
                "the change is saved, but is not enforced yet; see `flowctl status`",
            ));
        }
        let status = sources.status.load();
        if status.enforced_generation == status.desired_generation && status.problems.is_empty() {
            return Ok(status.enforced_generation);
        }
        Err(Status::internal(format!(
            "the change is saved, but is not enforced: {}",
            status.complaints().join("; ")
        )))
    }
}

pub(super) struct PolicyService {
    sources: Sources,
    door: PolicyDoor,
    /// Bounds the diffs made at a time.
    diffs: Arc<Semaphore>,
}

impl PolicyService {
    pub(super) fn new(sources: Sources, door: PolicyDoor) -> Self {
        Self {
            sources,
            door,
            diffs: Arc::new(Semaphore::new(diff::AT_A_TIME)),
        }
    }

    async fn enforced(&self) -> Result<u64, Status> {
        self.door.enforced(&self.sources).await
    }

    /// Puts a change on the timeline.
    fn tell(&self, step: Step, change: &Change) {
        let pending = change.pending.as_ref();
        let facts = AppliedFacts {
            step,
            objects: change.objects.clone(),
            confirmation: pending.map_or_else(String::new, |one| one.confirmation.clone()),
            undone_at: pending.map_or(0, |one| one.undone_at),
        };
        let timeline = self.sources.log.timeline();
        timeline.tell(now(), Happening::Applied(facts));
    }

    /// Names of the policies of the policy directory.
    fn elsewhere(&self) -> Elsewhere {
        let status = self.sources.status.load();
        let mut elsewhere = Elsewhere::default();
        for policy in &status.policies {
            let names = match policy.shadow {
                true => &mut elsewhere.shadow,
                false => &mut elsewhere.enforced,
            };
            if !self.is_applied(policy) {
                names.push(full_name(policy));
            }
        }
        elsewhere
    }

    fn is_applied(&self, policy: &PolicyStatus) -> bool {
        std::path::Path::new(&policy.file).starts_with(self.door.applied.directory())
    }
}

#[tonic::async_trait]
impl Policies for PolicyService {
    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let client = host::client(&request, &request.get_ref().ssh_connection);
        let (meta, extensions, message) = request.into_parts();
        let request = Request::from_parts(meta, extensions, ());
        let ApplyRequest {
            yaml,
            confirm_seconds,
            dry_run,
            ssh_connection: _,
            shadow,
        } = message;
        too_long(&yaml)?;
        let wish = Wish {
            text: &yaml,
            shadow,
            confirm: confirm_seconds,
        };
        let about_nodes = host::is_about_nodes(&yaml) || host::is_guarded(&self.sources);
        let mut kept = Vec::new();
        let mut change = if dry_run {
            Applied::check(wish).map_err(status)?
        } else {
            if about_nodes {
                // Before the policy is anywhere: no packet of it is judged in between.
                kept = host::keep(&self.door, &client)?;
            }
            // Rounded up: a change waits at least as long as was asked for.
            let now = realtime().div_ceil(1_000_000_000);
            let applied = &self.door.applied;
            applied
                .apply(wish, &self.elsewhere(), now)
                .map_err(status)?
        };
        gate::about(&request, || {
            let names = change.objects.join(", ");
            if dry_run {
                format!("{names} (dry run)")
            } else {
                names
            }
        });
        if !dry_run {
            if about_nodes && kept.is_empty() {
                change.notes.push(host::NOBODY_KEPT.to_owned());
            }
            if about_nodes && let Some(warning) = self.sources.status.load().host.warning() {
                change.notes.push(warning);
            }
            tracing::info!(
                policies = change.objects.join(", "),
                confirm_seconds,
                shadow,
                "policies applied"
            );
            self.tell(Step::Applied, &change);
        }
        let generation = if dry_run { 0 } else { self.enforced().await? };
        let Change {
            objects,
            notes,
            pending,
        } = change;
        Ok(Response::new(ApplyResponse {
            applied: objects,
            notes,
            generation,
            undone_at: pending.as_ref().map(undone_at),
            confirmation: pending
                .map(|pending| pending.confirmation)
                .unwrap_or_default(),
            kept,
        }))
    }

    async fn confirm(
        &self,
        request: Request<ConfirmRequest>,
    ) -> Result<Response<ConfirmResponse>, Status> {
        let change = self
            .door
            .applied
            .confirm(&request.get_ref().confirmation)
            .map_err(status)?;
        gate::about(&request, || change.objects.join(", "));
        tracing::info!(policies = change.objects.join(", "), "change confirmed");
        self.tell(Step::Confirmed, &change);
        Ok(Response::new(ConfirmResponse {
            applied: change.objects,
        }))
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        gate::about(&request, || request.get_ref().policy.clone());
        let kept = if host::is_guarded(&self.sources) {
            let client = host::client(&request, &request.get_ref().ssh_connection);
            host::keep(&self.door, &client)?
        } else {
            Vec::new()
        };
        let change = self
            .door
            .applied
            .delete(&request.get_ref().policy, request.get_ref().shadow)
            .map_err(status)?;
        let deleted = change.objects.join(", ");
        tracing::info!(policy = deleted, "policy deleted");
        self.tell(Step::Deleted, &change);
        Ok(Response::new(DeleteResponse {
            deleted,
            generation: self.enforced().await?,
            kept,
        }))
    }

    async fn break_glass(
        &self,
        request: Request<BreakGlassRequest>,
    ) -> Result<Response<BreakGlassResponse>, Status> {
        let action = request.get_ref().action();
        if action == BreakGlassAction::BreakGlassOff {
            let client = host::client(&request, &request.get_ref().ssh_connection);
            host::keep(&self.door, &client)?;
        }
        host::switch(&self.door, action)?;
        if action != BreakGlassAction::Unspecified && !self.door.nudge.settle().await {
            return Err(Status::deadline_exceeded(
                "the switch is set, but not in force yet; see `flowctl status`",
            ));
        }
        let status = self.sources.status.load();
        Ok(Response::new(BreakGlassResponse {
            host: Some(host::answer(&status.host)),
        }))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let request = request.into_inner();
        too_long(&request.yaml)?;
        let sweep = Arc::clone(&self.door.sweep);
        let answer = diff::answer(&self.sources, &self.diffs, sweep, request).await?;
        Ok(Response::new(answer))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let scope = gate::scope(&request)?;
        let state = self.sources.status.load();
        let pending = self.door.applied.pending();
        let seen = state.policies.iter();
        let seen = seen.filter(|policy| scope.concerns(&policy.namespace));
        let policies = seen.map(|policy| {
            let (name, applied) = (full_name(policy), self.is_applied(policy));
            let waits = pending
                .as_ref()
                .filter(|pending| applied && pending.objects.contains(&name));
            PolicyObject {
                kind: policy.kind.clone(),
                namespace: policy.namespace.clone(),
                name: policy.name.clone(),
                file: policy.file.clone(),
                line: policy.line,
                applied,
                yaml: if applied {
                    let text = self.door.applied.text_of(&name, policy.shadow);
                    text.unwrap_or_default()
                } else {
                    String::new()
                },
                undone_at: waits.map(undone_at),
                shadow: policy.shadow,
                shadow_counts: policy
                    .shadow
                    .then(|| hits::shadow_counts(&self.sources, &name))
                    .flatten(),
            }
        });
        Ok(Response::new(ListResponse {
            policies: policies.collect(),
        }))
    }
}

fn too_long(yaml: &str) -> Result<(), Status> {
    if yaml.len() <= MAX_TEXT {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{} bytes; a policy text may have at most {MAX_TEXT}",
        yaml.len()
    )))
}

fn full_name(policy: &PolicyStatus) -> String {
    if policy.namespace.is_empty() {
        format!("{}/{}", policy.kind, policy.name)
    } else {
        format!("{}/{}/{}", policy.kind, policy.namespace, policy.name)
    }
}

fn undone_at(pending: &Pending) -> Timestamp {
    Timestamp::from_unix_nanos(pending.undone_at.saturating_mul(1_000_000_000))
}

fn status(error: StoreError) -> Status {
    let text = error.to_string();
    match error {
        StoreError::Invalid(_) => Status::invalid_argument(text),
        StoreError::Refused(_) => Status::failed_precondition(text),
        StoreError::NotFound(_) => Status::not_found(text),
        StoreError::Io { .. } => Status::internal(text),
    }
}
