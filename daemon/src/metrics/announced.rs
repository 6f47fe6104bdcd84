//! Families of Hubble's plugins that no flow has data for: announced, so that whoever looks for them finds out why they are
//! empty.

use super::plugin::Kind;

/// A family that is announced and has no series: name, help, type.
pub type Announced = (&'static str, &'static str, &'static str);

const REQUESTS: Announced = (
    "hubble_http_requests_total",
    "HTTP requests; no flow carries HTTP yet.",
    "counter",
);
const RESPONSES: Announced = (
    "hubble_http_responses_total",
    "HTTP responses by status; no flow carries HTTP yet.",
    "counter",
);
const REQUEST_DURATION: Announced = (
    "hubble_http_request_duration_seconds",
    "How long HTTP requests took; no flow carries HTTP yet.",
    "histogram",
);
const KAFKA: [Announced; 2] = [
    (
        "hubble_kafka_requests_total",
        "Kafka requests; no flow carries Kafka.",
        "counter",
    ),
    (
        "hubble_kafka_request_duration_seconds",
        "How long Kafka requests took; no flow carries Kafka.",
        "histogram",
    ),
];
const DNS: [Announced; 3] = [
    (
        "hubble_dns_queries_total",
        "DNS queries; no flow carries DNS yet.",
        "counter",
    ),
    (
        "hubble_dns_responses_total",
        "DNS responses by code; no flow carries DNS yet.",
        "counter",
    ),
    (
        "hubble_dns_response_types_total",
        "DNS answers by type; no flow carries DNS yet.",
        "counter",
    ),
];

/// The families of a plugin that no flow has data for.
pub fn announced(kind: Kind) -> &'static [Announced] {
    match kind {
        Kind::Dns => &DNS,
        Kind::Http | Kind::HttpV2 => &[REQUESTS, RESPONSES, REQUEST_DURATION],
        Kind::Sctp => &[(
            "hubble_sctp_chunk_types_total",
            "SCTP chunks by type; no flow carries chunk types yet.",
            "counter",
        )],
        Kind::Kafka => &KAFKA,
        Kind::Flow
        | Kind::Drop
        | Kind::Tcp
        | Kind::Icmp
        | Kind::PortDistribution
        | Kind::Policy
        | Kind::FlowsToWorld
        | Kind::Connection => &[],
    }
}
