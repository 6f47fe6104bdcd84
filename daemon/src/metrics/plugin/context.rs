//! Context options: which labels say who a flow is about.

/// What names one side of a flow, in a chain of which the first that is known wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// All labels of its identity.
    Identity,
    /// Its namespace.
    Namespace,
    /// `namespace/pod`.
    Pod,
    /// The pod alone.
    PodName,
    /// Names it was resolved by; flows have none yet.
    Dns,
    /// Its address.
    Ip,
    /// The label of a reserved identity.
    ReservedIdentity,
    /// `namespace/workload`.
    Workload,
    /// The workload alone.
    WorkloadName,
    /// What its labels call the application.
    App,
}

impl Identifier {
    /// All, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 10] = [
        ("identity", Self::Identity),
        ("namespace", Self::Namespace),
        ("pod", Self::Pod),
        ("pod-name", Self::PodName),
        ("dns", Self::Dns),
        ("ip", Self::Ip),
        ("reserved-identity", Self::ReservedIdentity),
        ("workload", Self::Workload),
        ("workload-name", Self::WorkloadName),
        ("app", Self::App),
    ];
}

/// Identifiers, the first that is known wins.
pub type Chain = Vec<Identifier>;

/// What the label `source` or `destination` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SideSpec {
    /// In general.
    pub base: Chain,
    /// For flows of connections that leave a workload, if it differs.
    pub egress: Option<Chain>,
    /// For flows of connections that reach a workload, if it differs.
    pub ingress: Option<Chain>,
}

/// What a label of `labelsContext` says about a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its address.
    Ip,
    /// Its pod.
    Pod,
    /// Its namespace.
    Namespace,
    /// Its workload.
    Workload,
    /// The kind of its workload.
    WorkloadKind,
    /// Its application.
    App,
}

/// A label of `labelsContext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextLabel {
    /// About the source.
    Source(Part),
    /// About the destination.
    Destination(Part),
    /// Direction of the connection.
    TrafficDirection,
}

impl ContextLabel {
    /// All, in the order in which they are emitted.
    pub const ALL: [(&'static str, Self); 13] = [
        ("source_ip", Self::Source(Part::Ip)),
        ("source_pod", Self::Source(Part::Pod)),
        ("source_namespace", Self::Source(Part::Namespace)),
        ("source_workload", Self::Source(Part::Workload)),
        ("source_workload_kind", Self::Source(Part::WorkloadKind)),
        ("source_app", Self::Source(Part::App)),
        ("destination_ip", Self::Destination(Part::Ip)),
        ("destination_pod", Self::Destination(Part::Pod)),
        ("destination_namespace", Self::Destination(Part::Namespace)),
        ("destination_workload", Self::Destination(Part::Workload)),
        (
            "destination_workload_kind",
            Self::Destination(Part::WorkloadKind),
        ),
        ("destination_app", Self::Destination(Part::App)),
        ("traffic_direction", Self::TrafficDirection),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, label)| *label == self)
            .map_or("", |(name, _)| name)
    }
}

/// The labels that say who a flow is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContextSpec {
    /// The label `source`.
    pub source: Option<SideSpec>,
    /// The label `destination`.
    pub destination: Option<SideSpec>,
    /// Single labels, in the order of [`ContextLabel::ALL`].
    pub labels: Vec<ContextLabel>,
}

impl ContextSpec {
    /// The names of its labels, in the order of their values.
    pub fn names(&self) -> Vec<&'static str> {
        let single = self.labels.iter().map(|label| label.name());
        let source = self.source.as_ref().map(|_| "source");
        let destination = self.destination.as_ref().map(|_| "destination");
        single.chain(source).chain(destination).collect()
    }

    /// Whether it has no label.
    pub fn is_empty(&self) -> bool {
        self.source.is_none() && self.destination.is_none() && self.labels.is_empty()
    }

    /// Whether a value depends on more than the two parties and the direction.
    pub fn needs_addresses(&self) -> bool {
        let chain = |chain: &Chain| chain.contains(&Identifier::Ip);
        let side = |side: &SideSpec| {
            chain(&side.base)
                || side.egress.as_ref().is_some_and(chain)
                || side.ingress.as_ref().is_some_and(chain)
        };
        let ip = |label: &ContextLabel| {
            matches!(
                label,
                ContextLabel::Source(Part::Ip) | ContextLabel::Destination(Part::Ip)
            )
        };
        [&self.source, &self.destination]
            .into_iter()
            .flatten()
            .any(side)
            || self.labels.iter().any(ip)
    }
}
