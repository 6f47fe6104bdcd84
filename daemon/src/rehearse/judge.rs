//! What both sets of policies say about one connection, by the entries the programs would look up.

use std::{collections::HashMap, net::IpAddr, path::PathBuf, sync::Arc};

use flowd_abi::{Action, Direction};
use flowd_policy::{CompileError, PolicySet, RuleTable, Target};
use flowd_proto::flowd::v1::{DiffReason, DiffVerdict};

use crate::{
    endpoints::{Addresses, Attach, EndpointSpec},
    resolve::{Guarded, Inputs, Numbers, Plan, Resolver},
    serve::status::Mode,
    why::{PolicyView, Workload},
};

/// One connection, seen from a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) direction: Direction,
    pub(super) protocol: u8,
    /// Destination port, or ICMP type.
    pub(super) port: u16,
}

/// Both plans over the same workloads.
pub(super) struct Judge {
    before: Arc<Plan>,
    after: Arc<Plan>,
    rules: RuleTable,
    /// Device of the workload that has an address, its name and its mode.
    owners: HashMap<IpAddr, (u32, String, Mode)>,
}

impl Judge {
    pub(super) fn new(view: &PolicyView, candidate: &PolicySet) -> Result<Self, CompileError> {
        let endpoints = (1..).zip(&view.workloads).map(guarded);
        let mut inputs = Inputs {
            endpoints: endpoints.collect(),
            policies: view.policies.clone(),
            host: view.host.clone(),
        };
        let mut resolver = Resolver::new(Numbers::fresh(0));
        resolver.resolve(&inputs)?;
        let before = Arc::clone(resolver.plan());
        inputs.policies = candidate.clone();
        resolver.resolve(&inputs)?;
        let mut owners = HashMap::new();
        for (ifindex, workload) in (1..).zip(&view.workloads) {
            for address in &workload.addresses {
                owners.insert(*address, (ifindex, workload.key(), workload.mode));
            }
        }
        Ok(Self {
            before,
            after: Arc::clone(resolver.plan()),
            rules: resolver.numbers().rules.clone(),
            owners,
        })
    }

    /// The verdicts before and after; `None` when no workload has the local address.
    pub(super) fn ask(&self, question: &Question) -> Option<[DiffVerdict; 2]> {
        let (ifindex, ..) = self.owners.get(&question.local)?;
        let verdict = |plan: &Plan| self.verdict(plan, *ifindex, question);
        Some([verdict(&self.before)?, verdict(&self.after)?])
    }

    /// What an address is called: its workload, or itself.
    pub(super) fn name(&self, address: IpAddr) -> String {
        let owner = self.owners.get(&address);
        owner.map_or_else(|| address.to_string(), |(_, name, _)| name.clone())
    }

    /// What is done with a denial at an address.
    pub(super) fn mode(&self, address: IpAddr) -> Mode {
        let owner = self.owners.get(&address);
        owner.map_or(Mode::Enforce, |(_, _, mode)| *mode)
    }

    fn verdict(&self, plan: &Plan, ifindex: u32, question: &Question) -> Option<DiffVerdict> {
        let value = plan.endpoints.get(&ifindex)?.value;
        let said = |passes, reason: DiffReason, by: Vec<String>| DiffVerdict {
            passes,
            reason: reason.into(),
            by,
        };
        let Some(policy) = plan.policies.get(&value.policy(question.direction)) else {
            return Some(said(true, DiffReason::Unenforced, Vec::new()));
        };
        let peer = plan.peer(question.remote);
        let hit = policy.compiled.lookup(Target {
            identity: peer.identity,
            class: peer.class,
            protocol: question.protocol,
            port: question.port,
        });
        let Some(hit) = hit else {
            let deniers = policy.compiled.default_deny.iter();
            let by = deniers.map(ToString::to_string).collect();
            return Some(said(false, DiffReason::DefaultDenied, by));
        };
        if hit.rule == RuleTable::DEFAULT_ALLOW {
            return Some(said(true, DiffReason::AllowedByDefault, Vec::new()));
        }
        let rules = self.rules.get(hit.rule).unwrap_or_default();
        let by = rules.iter().map(ToString::to_string).collect();
        Some(match hit.action {
            Action::Allow => said(true, DiffReason::Allowed, by),
            Action::Deny => said(false, DiffReason::Denied, by),
        })
    }
}

/// A workload as the resolver takes it; where it is attached makes no difference.
fn guarded((ifindex, workload): (u32, &Workload)) -> Guarded {
    let spec = EndpointSpec {
        namespace: workload.namespace.clone(),
        name: workload.name.clone(),
        labels: workload.labels.clone(),
        addresses: Addresses::Declared(workload.addresses.clone()),
        ports: workload.ports.clone(),
        attach: Attach::Netns(PathBuf::new()),
        mode: workload.mode,
        mode_source: Default::default(),
        check_source: false,
        file: String::new(),
        line: 0,
    };
    Guarded {
        spec: Arc::new(spec),
        device: "".into(),
        ifindex,
        addresses: workload.addresses.as_slice().into(),
        namespace: None,
    }
}
