//! The table of filter flags, in the order of the help.

use super::flags::{Field, Flag, Side};

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

const SERVICE: &str = "[NAMESPACE/]SERVICE";
const POD: &str = "[NAMESPACE/]POD";
const WORKLOAD: &str = "[KIND/]NAME";

/// Every filter flag, in the order of the help.
pub(super) const FLAGS: [Flag; 71] = [
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
    Flag {
        side: Side::From,
        ..switch(
            "from-all-namespaces",
            Field::AllNamespaces,
            "--from-pod means pods of any namespace",
        )
    },
    Flag {
        side: Side::To,
        ..switch(
            "to-all-namespaces",
            Field::AllNamespaces,
            "--to-pod means pods of any namespace",
        )
    },
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
    either(
        "service",
        SERVICE,
        Field::Service,
        "Either service, by the beginning of its name",
    ),
    from("from-service", SERVICE, Field::Service, "Source service"),
    to("to-service", SERVICE, Field::Service, "Destination service"),
    either("cluster", "CLUSTER", Field::Cluster, "Either cluster"),
    from("from-cluster", "CLUSTER", Field::Cluster, "Source cluster"),
    to(
        "to-cluster",
        "CLUSTER",
        Field::Cluster,
        "Destination cluster",
    ),
    either(
        "snat-ip",
        "IP|CIDR",
        Field::SnatIp,
        "Source address before it was translated",
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
    either(
        "node-label",
        "SELECTOR",
        Field::NodeLabel,
        "Labels of the node that saw it",
    ),
    either(
        "interface",
        "NAME|INDEX",
        Field::Interface,
        "Device it was seen on",
    ),
    switch("encrypted", Field::Encrypted, "Encrypted traffic only"),
    switch(
        "unencrypted",
        Field::Unencrypted,
        "Unencrypted traffic only",
    ),
    either(
        "http-status",
        "CODE",
        Field::HttpStatus,
        "HTTP status, such as 404, 40+ or 5+",
    ),
    either("http-method", "METHOD", Field::HttpMethod, "HTTP method"),
    either(
        "http-path",
        "REGEX",
        Field::HttpPath,
        "Path of an HTTP request",
    ),
    either(
        "http-url",
        "REGEX",
        Field::HttpUrl,
        "URL of an HTTP request",
    ),
    either(
        "http-header",
        "NAME:VALUE",
        Field::HttpHeader,
        "Header of an HTTP request",
    ),
    either(
        "dns-query",
        "REGEX",
        Field::DnsQuery,
        "Name asked for in a DNS request",
    ),
    either(
        "trace-id",
        "ID",
        Field::TraceId,
        "W3C trace id of an HTTP request",
    ),
    either("ip-trace-id", "NUMBER", Field::IpTraceId, "IP trace id"),
    either(
        "cel-expression",
        "CEL",
        Field::CelExpression,
        "A CEL expression on the flow, such as '_flow.l4.TCP.destination_port > 1024u'",
    ),
    either(
        "process",
        "NAME|PID|PATH",
        Field::Process,
        "Process at the workload's end, by name, number or executable; * stands for anything. Without \
         a value: only print it",
    ),
    either(
        "unit",
        "UNIT",
        Field::Unit,
        "systemd unit of the process; * stands for anything",
    ),
    either(
        "container",
        "ID",
        Field::Container,
        "Container of the process, by the beginning of its id",
    ),
    either(
        "user",
        "NAME|NUMBER",
        Field::User,
        "User the process runs as",
    ),
    either(
        "rule",
        "[[KIND/]NAMESPACE/]NAME[:PATH]",
        Field::Rule,
        "Policy that decided, or one rule of it, such as shop/db:spec.ingress[0] or \
         shop/db:default_deny; * stands for anything",
    ),
    either(
        "min-bytes",
        "BYTES",
        Field::MinBytes,
        "At least so many bytes so far, both ways, such as 10k or 1.5MiB",
    ),
    either(
        "max-bytes",
        "BYTES",
        Field::MaxBytes,
        "At most so many bytes so far",
    ),
    either(
        "min-packets",
        "NUMBER",
        Field::MinPackets,
        "At least so many packets so far, both ways",
    ),
    either(
        "max-packets",
        "NUMBER",
        Field::MaxPackets,
        "At most so many packets so far",
    ),
    either(
        "min-duration",
        "DURATION",
        Field::MinDuration,
        "At least so long since its first packet, such as 90s",
    ),
    either(
        "max-duration",
        "DURATION",
        Field::MaxDuration,
        "At most so long since its first packet",
    ),
];
