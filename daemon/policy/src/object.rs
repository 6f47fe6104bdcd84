//! Policies after parsing: every default filled in, every selector complete.

use std::sync::Arc;

use flowd_abi::Direction;
use ipnet::IpNet;

use crate::{
    diagnostic::Diagnostic,
    labels::Labels,
    reference::{PolicyRef, RuleRef},
    selector::Selector,
    subject::Subjects,
};

/// One policy object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What names it.
    pub reference: Arc<PolicyRef>,
    /// Its specs; each stands for itself.
    pub specs: Vec<Spec>,
    /// What its author should know although the policy is in force.
    pub warnings: Vec<Diagnostic>,
    /// Whether every field is enforced as written. Where one is not, an allow rule allows nothing
    /// and a deny rule denies more, and a warning says so.
    pub complete: bool,
    /// Whether it is a shadow policy: judged beside the enforced ones, never enforced.
    pub shadow: bool,
}

/// One subject and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Those whose traffic is judged.
    pub subject: Subjects,
    /// Whether what no rule allows is denied, towards the subject.
    pub default_deny_ingress: bool,
    /// Whether what no rule allows is denied, from the subject.
    pub default_deny_egress: bool,
    /// Whether the spec has a say about ingress at all.
    pub judges_ingress: bool,
    /// Whether the spec has a say about egress at all.
    pub judges_egress: bool,
    /// The rules of both directions and both actions.
    pub rules: Vec<Rule>,
}

impl Spec {
    /// Whether the spec has a say about `direction`.
    pub const fn judges(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.judges_ingress,
            Direction::Egress => self.judges_egress,
        }
    }

    /// Whether the spec asks to deny what no rule of `direction` allows.
    pub const fn default_deny(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.default_deny_ingress,
            Direction::Egress => self.default_deny_egress,
        }
    }
}

/// One rule: who may (or may not) talk to the subject, on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What names it, with its direction and action.
    pub reference: RuleRef,
    /// The peers it is about.
    pub peers: Peers,
    /// The protocols and ports it is about.
    pub destinations: Destinations,
}

/// The peers of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Every peer there is.
    Any,
    /// Each peer at least one of these selects; an empty list selects nobody.
    Of(Vec<PeerSelector>),
}

/// One way to name peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSelector {
    /// Peers by their labels, complete with the namespace the policy implies.
    Labels(Selector),
    /// A well-known group of peers.
    Entity(Entity),
    /// Addresses outside the workloads.
    Cidr(CidrSet),
    /// Addresses, whoever has them.
    IpBlock(CidrSet),
    /// Addresses outside the workloads, listed in other objects. A
    /// [`PolicySet`](crate::PolicySet) puts the addresses in its place; until then it selects
    /// nobody.
    CidrGroup(CidrGroups),
    /// Whoever is behind services, which are other objects. A [`PolicySet`](crate::PolicySet) puts
    /// their workloads and addresses in its place; until then it selects nobody.
    Services(Services),
}

/// The services a peer selector means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Services {
    /// Which services.
    pub services: ServiceSelector,
    /// Their namespace; `None` is any.
    pub namespace: Option<String>,
}

/// Services by name or by label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceSelector {
    /// Services of this name.
    Name(String),
    /// Services with these labels.
    Labels(Selector),
}

/// A Kubernetes Service, as far as policies care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// The workloads behind it; `None` when its addresses are listed elsewhere.
    pub pods: Option<Selector>,
}

/// Addresses behind a service that selects no workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddresses {
    /// Name of the service.
    pub service: String,
    /// Namespace of the service.
    pub namespace: String,
    /// The addresses.
    pub addresses: Vec<IpNet>,
}

/// The CIDR groups a peer selector means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CidrGroups {
    /// Which groups.
    pub groups: GroupSelector,
    /// What is cut out of their blocks.
    pub except: Vec<IpNet>,
}

/// CIDR groups by name or by label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupSelector {
    /// The group of this name.
    Name(String),
    /// Every group with these labels.
    Labels(Selector),
}

/// A CiliumCIDRGroup: address blocks under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CidrGroup {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its blocks.
    pub cidrs: Vec<IpNet>,
    /// The file it was read from.
    pub file: String,
    /// The line its document starts at.
    pub line: u32,
}

/// Addresses in `cidr` and in none of `except`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CidrSet {
    /// The block.
    pub cidr: IpNet,
    /// What is cut out of it.
    pub except: Vec<IpNet>,
}

/// A well-known group of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// Everyone.
    All,
    /// Every address that is no workload and no node.
    World,
    /// Everything of this cluster: its workloads and its nodes.
    Cluster,
    /// This node.
    Host,
    /// Other nodes.
    RemoteNode,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Health probes of the agent.
    Health,
    /// Workloads whose labels are not known yet.
    Init,
    /// Ingress proxies.
    Ingress,
    /// Workloads without an agent.
    Unmanaged,
    /// Nobody.
    None,
}

impl Entity {
    /// The entity as YAML writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::World => "world",
            Self::Cluster => "cluster",
            Self::Host => "host",
            Self::RemoteNode => "remote-node",
            Self::KubeApiserver => "kube-apiserver",
            Self::Health => "health",
            Self::Init => "init",
            Self::Ingress => "ingress",
            Self::Unmanaged => "unmanaged",
            Self::None => "none",
        }
    }
}

/// The protocols and ports of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// Every protocol, every port.
    Any,
    /// Whatever at least one of these covers.
    Of(Vec<Destination>),
}

/// What a rule says about ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// Ports by their numbers.
    Ports(PortRange),
    /// A port by the name its owner gave it: the subject for ingress, the peer for egress.
    Named {
        /// IP protocol number.
        protocol: u8,
        /// The name, in lower case.
        name: String,
    },
}

/// A range of ports of one protocol; for ICMP the port is the message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// IP protocol number.
    pub protocol: u8,
    /// First port of the range.
    pub first: u16,
    /// Last port of the range.
    pub last: u16,
}

impl PortRange {
    /// Every port of a protocol.
    pub const fn all(protocol: u8) -> Self {
        Self {
            protocol,
            first: 0,
            last: u16::MAX,
        }
    }

    /// One port, or one ICMP type.
    pub const fn one(protocol: u8, port: u16) -> Self {
        Self {
            protocol,
            first: port,
            last: port,
        }
    }

    /// Whether every port is meant.
    pub const fn is_all(&self) -> bool {
        self.first == 0 && self.last == u16::MAX
    }

    /// Whether the range covers a port of a protocol.
    pub fn contains(&self, protocol: u8, port: u16) -> bool {
        self.protocol == protocol && (self.first..=self.last).contains(&port)
    }
}
