//! What a filter flag is: a field of `flow.FlowFilter`, on one side or either. The flags
//! themselves are in [`super::flag_table`].

/// What a filter flag looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Field {
    Ip,
    Port,
    Pod,
    Namespace,
    AllNamespaces,
    Label,
    Identity,
    Workload,
    Fqdn,
    Service,
    Cluster,
    Verdict,
    DropReason,
    Protocol,
    Type,
    TrafficDirection,
    TcpFlags,
    Ipv4,
    Ipv6,
    IpVersion,
    Reply,
    NotReply,
    Uuid,
    NodeName,
    NodeLabel,
    SnatIp,
    Interface,
    Encrypted,
    Unencrypted,
    HttpStatus,
    HttpMethod,
    HttpPath,
    HttpUrl,
    HttpHeader,
    DnsQuery,
    TraceId,
    IpTraceId,
    CelExpression,
    Process,
    Unit,
    Container,
    User,
    Rule,
    MinBytes,
    MaxBytes,
    MinPackets,
    MaxPackets,
    MinDuration,
    MaxDuration,
}

/// Which end of the flow it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Source or destination, whichever matches; also for what has no side.
    Either,
    /// The source.
    From,
    /// The destination.
    To,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Long name.
    pub name: &'static str,
    /// Short name.
    pub short: Option<char>,
    /// A second long name.
    pub alias: Option<&'static str>,
    /// What stands for the value in the help; `None` for a flag without.
    pub value: Option<&'static str>,
    /// One line of help.
    pub help: &'static str,
    /// What it looks at.
    pub field: Field,
    /// Where it looks.
    pub side: Side,
}
