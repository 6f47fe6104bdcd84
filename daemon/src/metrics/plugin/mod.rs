//! Which metrics are kept: Hubble's plugins, their options and their contexts, as configured.

pub mod context;
mod parse;

use flowd_proto::flow::FlowFilter;
use thiserror::Error;

pub use context::{Chain, ContextLabel, ContextSpec, Identifier, Part, SideSpec};
pub use parse::{parse, parse_list};

/// A plugin that may be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Flows by protocol, type and verdict.
    Flow,
    /// Drops by reason.
    Drop,
    /// TCP flags.
    Tcp,
    /// ICMP messages.
    Icmp,
    /// Destination ports.
    PortDistribution,
    /// Verdicts of policies.
    Policy,
    /// Flows to the world.
    FlowsToWorld,
    /// Connections: how many, how long, how many bytes. flowd's own.
    Connection,
    /// DNS; no flow has it yet.
    Dns,
    /// HTTP requests and responses; no flow has them yet.
    Http,
    /// HTTP with the status on requests; no flow has them yet.
    HttpV2,
    /// SCTP chunks; no flow has their types yet.
    Sctp,
    /// Kafka; no flow has it.
    Kafka,
}

impl Kind {
    /// All plugins.
    pub const ALL: [Self; 13] = [
        Self::Flow,
        Self::Drop,
        Self::Tcp,
        Self::Icmp,
        Self::PortDistribution,
        Self::Policy,
        Self::FlowsToWorld,
        Self::Connection,
        Self::Dns,
        Self::Http,
        Self::HttpV2,
        Self::Sctp,
        Self::Kafka,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Drop => "drop",
            Self::Tcp => "tcp",
            Self::Icmp => "icmp",
            Self::PortDistribution => "port-distribution",
            Self::Policy => "policy",
            Self::FlowsToWorld => "flows-to-world",
            Self::Connection => "connection",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::HttpV2 => "httpV2",
            Self::Sctp => "sctp",
            Self::Kafka => "kafka",
        }
    }

    /// The plugin of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The options it has beside the contexts.
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Self::FlowsToWorld => &["any-drop", "port", "syn-only"],
            Self::Dns => &["query", "ignoreAAAA"],
            Self::HttpV2 => &["exemplars"],
            Self::Flow
            | Self::Drop
            | Self::Tcp
            | Self::Icmp
            | Self::PortDistribution
            | Self::Policy
            | Self::Connection
            | Self::Http
            | Self::Sctp
            | Self::Kafka => &[],
        }
    }
}

/// Options that change what is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `flows-to-world`: also count drops for other reasons than policy.
    pub any_drop: bool,
    /// `flows-to-world`: a label for the destination port.
    pub port: bool,
    /// `flows-to-world`: of TCP, count the openings only.
    pub syn_only: bool,
}

/// One plugin as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSpec {
    /// Which plugin.
    pub kind: Kind,
    /// Its own options.
    pub options: Options,
    /// The labels that say who a flow is about.
    pub contexts: ContextSpec,
    /// Only flows that match one of these, if there are any.
    pub include: Vec<FlowFilter>,
    /// No flow that matches one of these.
    pub exclude: Vec<FlowFilter>,
}

impl PluginSpec {
    /// A plugin without options.
    pub fn plain(kind: Kind) -> Self {
        Self {
            kind,
            options: Options::default(),
            contexts: ContextSpec::default(),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

/// Why a plugin's configuration is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PluginError {
    /// No plugin has this name.
    #[error("unknown metric {name:?}; there are {}", names().join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The plugin has no such option.
    #[error("{plugin}: unknown option {option:?}; it knows {}", known.join(", "))]
    Option {
        /// The plugin.
        plugin: &'static str,
        /// The option.
        option: String,
        /// What it knows.
        known: Vec<&'static str>,
    },
    /// A value an option cannot have.
    #[error("{plugin}: {option} cannot be {value:?}; it can be {}", known.join(", "))]
    Value {
        /// The plugin.
        plugin: &'static str,
        /// The option.
        option: String,
        /// The value.
        value: String,
        /// What it can be.
        known: Vec<&'static str>,
    },
    /// A context of one direction without the context it overrides.
    #[error("{plugin}: {option} overrides {base}, which is not set: set it too")]
    Override {
        /// The plugin.
        plugin: &'static str,
        /// The option.
        option: String,
        /// The option that is missing.
        base: &'static str,
    },
    /// The same plugin twice.
    #[error("{plugin} is there twice: put all its options into one entry")]
    Twice {
        /// The plugin.
        plugin: &'static str,
    },
    /// The list or an entry has a form we cannot read.
    #[error("{0}")]
    Form(String),
}

fn names() -> Vec<&'static str> {
    Kind::ALL.into_iter().map(Kind::name).collect()
}

#[cfg(test)]
mod tests;
