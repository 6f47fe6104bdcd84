//! The table of filter flags: each is a field of `flow.FlowFilter`, on one side or either.

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

const fn flag(
    name: &'static str,
    value: Option<&'static str>,
    field: Field,
    side: Side,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        short: None,
        alias: None,
        value,
        help,
        field,
        side,
    }
}

const fn either(name: &'static str, value: &'static str, field: Field, help: &'static str) -> Flag {
    flag(name, Some(value), field, Side::Either, help)
}

const fn from(name: &'static str, value: &'static str, field: Field, help: &'static str) -> Flag {
    flag(name, Some(value), field, Side::From, help)
}

const fn to(name: &'static str, value: &'static str, field: Field, help: &'static str) -> Flag {
    flag(name, Some(value), field, Side::To, help)
}

const fn switch(name: &'static str, field: Field, help: &'static str) -> Flag {
    flag(name, None, field, Side::Either, help)
}

const fn short(letter: char, flag: Flag) -> Flag {
    Flag {
        short: Some(letter),
        ..flag
    }
}

const POD: &str = "[NAMESPACE/]POD";
const WORKLOAD: &str = "[KIND/]NAME";

/// Every filter flag, in the order of the help.
pub const FLAGS: [Flag; 38] = [
    either(
        "verdict",
        "VERDICT",
        Field::Verdict,
        "What became of it: FORWARDED, DROPPED, AUDIT, …",
    ),
    Flag {
        alias: Some("drop-reason"),
        ..either(
            "drop-reason-desc",
            "REASON",
            Field::DropReason,
            "Why it was dropped, by Hubble's name, such as POLICY_DENIED",
        )
    },
    short(
        't',
        either(
            "type",
            "TYPE[:SUBTYPE]",
            Field::Type,
            "Kind of event: drop, trace, policy-verdict, trace:to-endpoint, …",
        ),
    ),
    either(
        "traffic-direction",
        "DIRECTION",
        Field::TrafficDirection,
        "ingress or egress, seen from the workload",
    ),
    either(
        "protocol",
        "PROTOCOL",
        Field::Protocol,
        "tcp, udp, sctp, icmp, icmpv4, icmpv6, …",
    ),
    either(
        "tcp-flags",
        "FLAGS",
        Field::TcpFlags,
        "All of these TCP flags, such as syn,ack",
    ),
    either("ip", "IP|CIDR", Field::Ip, "Either address"),
    from("from-ip", "IP|CIDR", Field::Ip, "Source address"),
    to("to-ip", "IP|CIDR", Field::Ip, "Destination address"),
    either("port", "PORT", Field::Port, "Either port"),
    from("from-port", "PORT", Field::Port, "Source port"),
    to("to-port", "PORT", Field::Port, "Destination port"),
    either(
        "pod",
        POD,
        Field::Pod,
        "Either workload, by the beginning of its name",
    ),
    from("from-pod", POD, Field::Pod, "Source workload"),
    to("to-pod", POD, Field::Pod, "Destination workload"),
    short(
        'n',
        either(
            "namespace",
            "NAMESPACE",
            Field::Namespace,
            "Either namespace; also completes --pod",
        ),
    ),
    from(
        "from-namespace",
        "NAMESPACE",
        Field::Namespace,
        "Source namespace",
    ),
    to(
        "to-namespace",
        "NAMESPACE",
        Field::Namespace,
        "Destination namespace",
    ),
    short(
        'A',
        switch(
            "all-namespaces",
            Field::AllNamespaces,
            "--pod means pods of any namespace, not of `default`",
        ),
    ),
    short(
        'l',
        either(
            "label",
            "SELECTOR",
            Field::Label,
            "Either workload's labels, such as app=web,tier!=db or reserved:world",
        ),
    ),
    from(
        "from-label",
        "SELECTOR",
        Field::Label,
        "Labels of the source",
    ),
    to(
        "to-label",
        "SELECTOR",
        Field::Label,
        "Labels of the destination",
    ),
    either(
        "identity",
        "IDENTITY",
        Field::Identity,
        "Either identity, by number or reserved name (world, host, …)",
    ),
    from(
        "from-identity",
        "IDENTITY",
        Field::Identity,
        "Identity of the source",
    ),
    to(
        "to-identity",
        "IDENTITY",
        Field::Identity,
        "Identity of the destination",
    ),
    either(
        "workload",
        WORKLOAD,
        Field::Workload,
        "Either workload, such as Deployment/web",
    ),
    from(
        "from-workload",
        WORKLOAD,
        Field::Workload,
        "Workload of the source",
    ),
    to(
        "to-workload",
        WORKLOAD,
        Field::Workload,
        "Workload of the destination",
    ),
    either(
        "fqdn",
        "PATTERN",
        Field::Fqdn,
        "Either DNS name; * stands for anything",
    ),
    from(
        "from-fqdn",
        "PATTERN",
        Field::Fqdn,
        "DNS name of the source",
    ),
    to(
        "to-fqdn",
        "PATTERN",
        Field::Fqdn,
        "DNS name of the destination",
    ),
    short('4', switch("ipv4", Field::Ipv4, "IPv4 only")),
    short('6', switch("ipv6", Field::Ipv6, "IPv6 only")),
    either("ip-version", "VERSION", Field::IpVersion, "none, v4 or v6"),
    switch("reply", Field::Reply, "Answers only"),
    switch("not-reply", Field::NotReply, "No answers"),
    either("uuid", "UUID", Field::Uuid, "One flow by its id"),
    either(
        "node-name",
        "[CLUSTER/]NODE",
        Field::NodeName,
        "Node that saw it; * stands for anything",
    ),
];
