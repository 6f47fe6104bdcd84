//! What the timeline tells beside flows: what became of policies, workloads and flowd itself.

use std::net::IpAddr;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The daemon started.
    Started {
        /// Its version.
        version: String,
    },
    /// A policy came, changed or went.
    Policy(Change, PolicyFacts),
    /// A workload came, changed or went.
    Endpoint(Change, EndpointFacts),
    /// The policies a workload is judged by were replaced, or could not be.
    Enforced(EnforcedFacts),
    /// A generation is in force everywhere it can be, or could not be written.
    Generation(GenerationFacts),
    /// A change through the API.
    Applied(AppliedFacts),
    /// An address of a workload or of the host means somebody else.
    Address(AddressFacts),
    /// A service came, changed or went.
    Service(Change, ServiceFacts),
    /// Policies for the node were put out of force by hand, or are in force again.
    BreakGlass(BreakGlassFacts),
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is not what it was.
    Changed,
    /// It is gone.
    Removed,
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFacts {
    /// Its kind.
    pub kind: String,
    /// Its namespace, empty for a policy of all.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels of its rules.
    pub labels: Vec<String>,
    /// The file it was read from.
    pub file: String,
    /// The line its document starts at.
    pub line: u32,
    /// How many rules it has.
    pub rules: usize,
    /// The generation that takes it in, or leaves it out.
    pub generation: u32,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFacts {
    /// Endpoint id.
    pub id: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Security identity.
    pub identity: u32,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Host-side device.
    pub interface: String,
    /// What is done with a denial: enforce, audit or off.
    pub mode: &'static str,
    /// What of these is not what it was.
    pub changed: Vec<&'static str>,
}

/// A workload's policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnforcedFacts {
    /// Endpoint id.
    pub id: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Vec<String>,
    /// The generation it is judged by.
    pub generation: u32,
    /// What is done with a denial: enforce, audit or off.
    pub mode: &'static str,
    /// `kind/namespace/name` of the policies that select it.
    pub policies: Vec<String>,
    /// Why it is not guarded; empty when it is.
    pub error: String,
}

/// A generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerationFacts {
    /// Its number.
    pub generation: u32,
    /// Workloads it judges.
    pub endpoints: usize,
    /// Workloads that could not be guarded.
    pub failed: usize,
    /// Why it is not in force; empty when it is.
    pub error: String,
}

/// What a change through the API did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Policies were put in force.
    Applied,
    /// A change that waited stays.
    Confirmed,
    /// Nobody confirmed it in time, and it was undone.
    Reverted,
    /// A policy was taken out of force.
    Deleted,
}

/// A change through the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedFacts {
    /// What was done.
    pub step: Step,
    /// The objects, as `Kind/namespace/name`.
    pub objects: Vec<String>,
    /// What the change is confirmed by; empty when it does not wait.
    pub confirmation: String,
    /// Unix seconds at which it is undone, 0 when it does not wait.
    pub undone_at: u64,
}

/// Who an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFacts {
    /// The address.
    pub address: IpAddr,
    /// Whose it is; `None` when it is nobody's any more.
    pub identity: Option<u32>,
    /// Whose it was.
    pub before: Option<u32>,
    /// Namespace of the workload that has it, or had it.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// A number of this run.
    pub id: u32,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Addresses behind it, where they are listed.
    pub addresses: Vec<String>,
}

/// The state of the break-glass switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlassFacts {
    /// Whether policies for the node are out of force.
    pub on: bool,
    /// Since when, Unix seconds; 0 when nobody knows, or when it is over.
    pub since: u64,
}
