//! What names policies and rules: all that a flow needs to say what decided.

use std::{fmt, sync::Arc};

use flowd_abi::{Action, Direction};
use serde::{Deserialize, Serialize};

use crate::labels::Labels;

/// The kinds of policy objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Of one namespace.
    CiliumNetworkPolicy,
    /// Of all namespaces.
    CiliumClusterwideNetworkPolicy,
    /// Of one namespace, in the words of Kubernetes itself.
    NetworkPolicy,
    /// Of all namespaces, in the words of Kubernetes itself.
    ClusterNetworkPolicy,
}

impl Kind {
    /// The kind as YAML writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Self::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }
}

/// Which policies are asked first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Tier {
    /// Before all others: what no one else can override.
    Admin,
    /// Policies that have no tier of their own.
    #[default]
    Normal,
    /// After all others: what holds where no one else decides.
    Baseline,
}

impl Tier {
    /// The tier as YAML writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Normal => "Normal",
            Self::Baseline => "Baseline",
        }
    }
}

/// When a policy is asked, among the others.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Turn {
    /// Its tier.
    pub tier: Tier,
    /// Its priority in the tier; the smaller is asked first.
    pub priority: u16,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tier {}, priority {}", self.tier.name(), self.priority)
    }
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Effect {
    /// It may pass.
    Allow = 1,
    /// It is dropped.
    Deny = 2,
    /// The next tier decides. No verdict ever names such a rule.
    Pass = 3,
}

impl Effect {
    /// The effect of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Allow),
            2 => Some(Self::Deny),
            3 => Some(Self::Pass),
            _ => None,
        }
    }

    /// What is decided; `None` when nothing is.
    pub const fn decision(self) -> Option<Action> {
        match self {
            Self::Allow => Some(Action::Allow),
            Self::Deny => Some(Action::Deny),
            Self::Pass => None,
        }
    }
}

impl From<Action> for Effect {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny => Self::Deny,
        }
    }
}

/// What names a policy: all a flow needs to say which policy it met.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The kind of object.
    pub kind: Kind,
    /// Its namespace; `None` for a policy of all namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The labels of its rules: where they are derived from, and what their author added.
    pub labels: Labels,
    /// The file it was read from.
    pub file: String,
    /// The line its document starts at.
    pub line: u32,
    /// When it is asked.
    #[serde(default)]
    pub turn: Turn,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind.name())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// What names one rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleRef {
    /// The policy the rule belongs to.
    pub policy: Arc<PolicyRef>,
    /// Position in `specs`; `None` for the single `spec`.
    pub spec: Option<u32>,
    /// The direction the rule judges.
    pub direction: Direction,
    /// What the rule does.
    pub action: Effect,
    /// Position in its list (`ingress`, `egressDeny`, ...).
    pub index: u32,
    /// The line the rule starts at.
    pub line: u32,
    /// The text its author wants in the flows it decides.
    pub log: Option<String>,
}

impl RuleRef {
    /// The path of the rule inside its object.
    pub fn path(&self) -> String {
        let own_list = match self.policy.kind {
            Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
                self.action == Effect::Deny
            }
            Kind::NetworkPolicy | Kind::ClusterNetworkPolicy => false,
        };
        let list = match (self.direction, own_list) {
            (Direction::Ingress, false) => "ingress",
            (Direction::Ingress, true) => "ingressDeny",
            (Direction::Egress, false) => "egress",
            (Direction::Egress, true) => "egressDeny",
        };
        match self.spec {
            None => format!("spec.{list}[{}]", self.index),
            Some(spec) => format!("specs[{spec}].{list}[{}]", self.index),
        }
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.policy)?;
        match self.policy.turn.tier {
            Tier::Normal => {}
            Tier::Admin | Tier::Baseline => write!(f, "of {} ", self.policy.turn)?,
        }
        write!(f, "{} ({}:{})", self.path(), self.policy.file, self.line)
    }
}
