//! A snapshot of the daemon's own state, filled by those who know it, served by those who are asked.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use flowd_abi::{Counter, Direction, Verdict};
use serde::{Deserialize, Serialize};

use crate::modes::ModeSource;

use crate::access::Scope;
use crate::host::KeptConnection;
use crate::kernel::drop_tables::DropCounts;

/// How the daemon is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// When the daemon started, Unix nanoseconds.
    pub started: i64,
    /// The ledger's counters, summed over CPUs.
    pub ledger: Vec<LedgerRow>,
    /// Deferred events that are still to be told.
    pub pending: u64,
    /// Verdicts that were evicted before they could be told.
    pub lost: u64,
    /// What single bounded places have shed, by name.
    pub losses: Vec<(String, u64)>,
    /// Entries in the connection table.
    pub connections: u64,
    /// Entries in the table of denied flows.
    pub denied: u64,
    /// Guarded workloads.
    pub endpoints: Vec<EndpointStatus>,
    /// Policies.
    pub policies: Vec<PolicyStatus>,
    /// Files that could not be read or are wrong.
    pub source_errors: Vec<SourceError>,
    /// Generation of the policies that ought to be enforced.
    pub desired_generation: u64,
    /// Generation of the policies that are enforced.
    pub enforced_generation: u64,
    /// What the kernel drops by itself.
    pub kernel_drops: KernelDropStatus,
    /// The host as its own endpoint.
    pub host: HostStatus,
    /// Anything else that is wrong, one line each.
    pub problems: Vec<String>,
    /// What is wrong with what was read again while the daemon runs: the configuration,
    /// certificates, tokens.
    pub reload_problems: Vec<String>,
}

/// What the kernel drops by itself.
#[derive(Clone, Debug, Default)]
pub struct KernelDropStatus {
    /// Whether it is watched.
    pub watched: bool,
    /// Why not.
    pub why_not: String,
    /// Flows that lose packets, and are remembered.
    pub flows: u64,
    /// What there was since the tables were made.
    pub counts: DropCounts,
    /// Packets dropped while the program was busy with another of the same processor.
    pub missed: u64,
}

/// What holds for the host besides its policies.
#[derive(Clone, Debug, Default)]
pub struct HostStatus {
    /// Its policies are out of force since, Unix seconds; 0 when nobody knows since when.
    pub broken_since: Option<u64>,
    /// The connections that are kept whatever the policies say.
    pub kept: Vec<KeptConnection>,
}

impl HostStatus {
    /// Words for an operator who may have forgotten that the glass is broken. No sign of ill
    /// health: it was switched by hand.
    pub fn warning(&self) -> Option<String> {
        let since = i64::try_from(self.broken_since?).ok();
        let since = since.filter(|seconds| *seconds > 0);
        let since = since.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let since = since.map_or_else(String::new, |time| format!(" since {time}"));
        Some(format!(
            "BREAK-GLASS is on{since}: policies for this node judge nothing; `flowctl host \
             break-glass off` puts them back in force"
        ))
    }
}

/// The counters of one verdict and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Verdict with its reason.
    pub verdict: Verdict,
    /// Direction of the packets.
    pub direction: Direction,
    /// Sums over all CPUs.
    pub counter: Counter,
}

impl LedgerRow {
    /// Whether every packet of the row is accounted for.
    pub const fn balances(&self) -> bool {
        let counter = &self.counter;
        counter.packets == counter.told + counter.coalesced + counter.deferred
    }
}

/// Whether a workload is guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Its programs are attached and its policy is enforced.
    Protected,
    /// On the way there.
    Attaching,
    /// Not guarded, and why.
    Failed(String),
}

impl EndpointState {
    /// Its label.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Attaching => "attaching",
            Self::Failed(_) => "failed",
        }
    }
}

/// What is done with a denial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is enforced.
    #[default]
    Enforce,
    /// It is told, not enforced.
    Audit,
    /// Nothing is judged.
    Off,
}

impl Mode {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }

    /// The mode of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        let modes = [Self::Enforce, Self::Audit, Self::Off];
        modes.into_iter().find(|mode| mode.name() == name)
    }
}

/// One workload.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// Endpoint id.
    pub id: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Security identity.
    pub identity: u32,
    /// Host-side device.
    pub interface: String,
    /// Its index, 0 when it is gone.
    pub ifindex: u32,
    /// Whether it is guarded.
    pub state: EndpointState,
    /// What is done with a denial.
    pub mode: Mode,
    /// Who said so.
    pub mode_source: ModeSource,
    /// Generation it ought to enforce.
    pub desired_generation: u32,
    /// Generation it enforces.
    pub enforced_generation: u32,
    /// Whether a policy judges its ingress.
    pub ingress_enforced: bool,
    /// Whether a policy judges its egress.
    pub egress_enforced: bool,
    /// `kind/namespace/name` of the policies that select it.
    pub policies: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// One policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyStatus {
    /// Kind of the object.
    pub kind: String,
    /// Namespace, empty for a policy of all.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// File it was read from.
    pub file: String,
    /// Line its document starts at.
    pub line: u32,
    /// Whether it is in force.
    pub valid: bool,
    /// What its author should know.
    pub problems: Vec<String>,
    /// How many endpoints it selects.
    pub endpoints_selected: u32,
    /// Whether it is a shadow policy: judged, never enforced.
    pub shadow: bool,
}

/// A file that could not be read or is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceError {
    /// The file.
    pub file: String,
    /// The line, 0 when it is the whole file.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl Status {
    /// Everything that is wrong, one line each; empty when the daemon is healthy.
    pub fn complaints(&self) -> Vec<String> {
        let endpoints = self.endpoints.iter().filter_map(|endpoint| {
            let name = if endpoint.namespace.is_empty() {
                format!("host {} ({})", endpoint.name, endpoint.interface)
            } else {
                format!("endpoint {}/{}", endpoint.namespace, endpoint.name)
            };
            match &endpoint.state {
                EndpointState::Protected => None,
                EndpointState::Attaching => Some(format!("{name} is not protected yet")),
                EndpointState::Failed(why) => Some(format!("{name} is not protected: {why}")),
            }
        });
        let sources = self
            .source_errors
            .iter()
            .map(|error| format!("{}:{}: {}", error.file, error.line, error.message));
        let behind = (self.enforced_generation != self.desired_generation).then(|| {
            format!(
                "policy generation {} is enforced, {} is wanted",
                self.enforced_generation, self.desired_generation
            )
        });
        self.problems
            .iter()
            .chain(&self.reload_problems)
            .cloned()
            .chain(behind)
            .chain(endpoints)
            .chain(sources)
            .collect()
    }

    /// What of it a client sees: endpoints and policies of its namespaces, and what is of all. Of
    /// the node's own problems it is told how many there are.
    pub fn within(&self, scope: &Scope) -> Cow<'_, Self> {
        if *scope == Scope::All {
            return Cow::Borrowed(self);
        }
        let mut seen = self.clone();
        seen.endpoints
            .retain(|endpoint| scope.sees(&endpoint.namespace));
        seen.policies
            .retain(|policy| scope.concerns(&policy.namespace));
        // Their paths and texts may name what is in other namespaces.
        seen.source_errors.clear();
        seen.reload_problems.clear();
        let hidden = self.complaints().len() - self.behind_in(scope);
        seen.problems = Vec::new();
        if hidden > 0 {
            seen.problems
                .push(format!("{hidden} problems outside of your namespaces"));
        }
        Cow::Owned(seen)
    }

    /// Complaints about workloads a client sees, and about the generation.
    fn behind_in(&self, scope: &Scope) -> usize {
        let endpoints = self.endpoints.iter();
        let seen = endpoints.filter(|endpoint| {
            scope.sees(&endpoint.namespace) && endpoint.state != EndpointState::Protected
        });
        seen.count() + usize::from(self.enforced_generation != self.desired_generation)
    }

    /// Whether every verdict is accounted for.
    pub fn balances(&self) -> bool {
        self.ledger.iter().all(LedgerRow::balances)
    }
}

/// The current status; cheap to clone, swapped as a whole.
#[derive(Clone, Debug, Default)]
pub struct StatusHandle(Arc<ArcSwap<Status>>);

impl StatusHandle {
    /// A handle on a first status.
    pub fn new(status: Status) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(status)))
    }

    /// Swaps in a new status.
    pub fn store(&self, status: Status) {
        self.0.store(Arc::new(status));
    }

    /// The status of this moment.
    pub fn load(&self) -> Guard<Arc<Status>> {
        self.0.load()
    }
}
