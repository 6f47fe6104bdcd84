//! Policies: from YAML text to the entries the eBPF programs look up.
//!
//! [`read()`] reads CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, Kubernetes
//! NetworkPolicy and ClusterNetworkPolicy objects into [`Policy`]s, CiliumCIDRGroups beside them. A [`PolicySet`] of them is [compiled](compile()) for one [`Subject`] against a
//! [`World`] of identities and CIDR classes; the numbers of the rules behind each entry live in a
//! [`RuleTable`]. [`evaluate()`] answers the same questions straight from the semantics, without
//! tables; tests hold the two against each other.
//!
//! Nothing here reads a file, a clock or the network.

pub mod cases;
pub mod cidr;
pub mod labels;
pub mod selector_text;

mod compile;
mod diagnostic;
mod evaluate;
mod explain;
mod lookup;
mod match_type;
mod named_ports;
mod object;
mod parse;
mod reference;
mod resolve;
mod rules;
mod selections;
mod selector;
mod set;
mod subject;
mod syntax;
mod uses;
mod world;
mod yaml;

pub use compile::{
    CompileError, Compiled, CompiledDirection, CompiledEntry, Digest, MAX_ENTRIES, compile,
};
pub use diagnostic::Diagnostic;
pub use evaluate::{Answer, Peer, Query, evaluate};
pub use explain::{Missed, NearMiss, near_misses, suggest};
pub use labels::{Label, LabelError, Labels};
pub use lookup::{Hit, Target};
pub use match_type::{MatchType, MatchedPeer};
pub use named_ports::NamedPorts;
pub use object::{
    CidrGroup, CidrGroups, CidrSet, Destination, Destinations, Entity, GroupSelector, PeerSelector,
    Peers, Policy, PortRange, Rule, Service, ServiceAddresses, ServiceSelector, Services, Spec,
};
pub use parse::{Contents, Namespace, NamespaceMode, parse, read};
pub use reference::{Effect, Kind, PolicyRef, RuleRef, Tier, Turn};
pub use rules::{RuleTable, SavedError};
pub use selector::{Key, Requirement, Selector};
pub use set::{Options, PolicySet};
pub use subject::{Subject, Subjects};
pub use uses::{Changes, Uses};
pub use world::{PodClass, RESERVED_IDENTITIES, World};
