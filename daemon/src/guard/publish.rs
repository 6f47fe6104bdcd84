//! What the control loop tells of itself: endpoints, policies and problems, on the board.

use std::collections::{BTreeMap, HashMap};

use flowd_policy::Policy;

use super::{Control, Failure};
use crate::serve::status::{EndpointState, EndpointStatus, PolicyStatus, SourceError, Status};

/// Where the status counts table entries that somebody else had changed.
const REPAIRED: &str = "table_entries_repaired";

impl Control {
    /// Puts the state of now on the board.
    pub(super) fn publish(&self) {
        let plan = self.parts.resolver.plan();
        let enforced = self.parts.applier.enforced();
        let mut problems: Vec<String> = self.problem.iter().chain(&self.kept).cloned().collect();
        problems.extend(self.unshadowed.clone());
        if self.unsaved {
            problems.push(format!(
                "{} cannot be written: after a restart old flows would lose their rules' names",
                self.parts.numbers.display()
            ));
        }
        let enforced = enforced.unwrap_or_else(|error| {
            problems.push(error.to_string());
            BTreeMap::new()
        });
        let endpoints: Vec<EndpointStatus> = plan
            .endpoints
            .iter()
            .map(|(ifindex, planned)| {
                let value = enforced.get(ifindex);
                let state = match (self.attach_failures.get(ifindex), value) {
                    (Some(why), _) => EndpointState::Failed(why.clone()),
                    (None, Some(value)) if *value == planned.value => EndpointState::Protected,
                    (None, _) => EndpointState::Attaching,
                };
                EndpointStatus {
                    id: planned.value.id,
                    namespace: planned.spec.namespace.clone(),
                    name: planned.spec.name.clone(),
                    identity: planned.value.identity,
                    interface: planned.device.to_string(),
                    ifindex: *ifindex,
                    state,
                    mode: planned.spec.mode,
                    mode_source: planned.spec.mode_source,
                    desired_generation: planned.value.generation,
                    enforced_generation: value.map_or(0, |value| value.generation),
                    ingress_enforced: planned.value.ingress_policy != 0,
                    egress_enforced: planned.value.egress_policy != 0,
                    policies: planned.policies.to_vec(),
                    addresses: planned.addresses.to_vec(),
                }
            })
            .chain(self.failures.iter().map(failed))
            .collect();
        let (desired, behind) = (plan.generation, endpoints.iter().any(is_behind));
        let policies = self.policies();
        let source_errors: Vec<SourceError> = [
            self.parts.endpoints.errors(),
            self.parts.policies.errors(),
            self.parts.applied_files.errors(),
        ]
        .concat();
        let repaired = self.repaired;
        let host = self.parts.host.status();
        self.parts.board.update(|status: &mut Status| {
            status.desired_generation = u64::from(desired);
            if !behind {
                status.enforced_generation = u64::from(desired);
            }
            status.endpoints = endpoints;
            status.host = host;
            status.losses = vec![(REPAIRED.to_owned(), repaired)];
            status.policies = policies;
            status.source_errors = source_errors;
            status
                .problems
                .retain(|problem| problem.starts_with("ledger: "));
            status.problems.append(&mut problems);
        });
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        let plan = self.parts.resolver.plan();
        let mut selected: HashMap<&str, u32> = HashMap::new();
        for name in plan.each().flat_map(|planned| planned.policies.iter()) {
            *selected.entry(name).or_default() += 1;
        }
        let enforced = self.set.policies().map(|policy| {
            let name = policy.reference.to_string();
            status_of(policy, selected.get(name.as_str()).copied())
        });
        let shadows = self.shadows.selected(plan);
        let beside = self.shadows.policies().policies().map(|policy| {
            let name = policy.reference.to_string();
            status_of(policy, shadows.get(&name).copied())
        });
        enforced.chain(beside).collect()
    }
}

fn status_of(policy: &Policy, selected: Option<u32>) -> PolicyStatus {
    PolicyStatus {
        kind: policy.reference.kind.name().to_owned(),
        namespace: policy.reference.namespace.clone().unwrap_or_default(),
        name: policy.reference.name.clone(),
        file: policy.reference.file.clone(),
        line: policy.reference.line,
        valid: true,
        problems: policy.warnings.iter().map(ToString::to_string).collect(),
        endpoints_selected: selected.unwrap_or_default(),
        shadow: policy.shadow,
    }
}

fn is_behind(endpoint: &EndpointStatus) -> bool {
    match endpoint.state {
        EndpointState::Protected | EndpointState::Failed(_) => false,
        EndpointState::Attaching => true,
    }
}

/// An endpoint that has no place in the plan.
fn failed(failure: &Failure) -> EndpointStatus {
    let spec = &failure.spec;
    EndpointStatus {
        id: 0,
        namespace: spec.namespace.clone(),
        name: spec.name.clone(),
        identity: 0,
        interface: String::new(),
        ifindex: 0,
        state: EndpointState::Failed(failure.why.clone()),
        mode: spec.mode,
        mode_source: spec.mode_source,
        desired_generation: 0,
        enforced_generation: 0,
        ingress_enforced: false,
        egress_enforced: false,
        policies: Vec::new(),
        addresses: Vec::new(),
    }
}
