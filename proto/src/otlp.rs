//! A flow as an OpenTelemetry log record: its severity and attributes, for files and collectors
//! alike.

use crate::flow::{Endpoint, Flow, TrafficDirection, Verdict};
use crate::flowd::v1::FlowExtension;

/// OpenTelemetry's number and word of a severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity {
    /// From 1 to 24.
    pub number: u8,
    /// Such as `WARN`.
    pub word: &'static str,
}

impl Severity {
    /// Something happened.
    pub const INFO: Self = Self::new(9, "INFO");
    /// Something was denied, or is missing.
    pub const WARN: Self = Self::new(13, "WARN");
    /// Something failed.
    pub const ERROR: Self = Self::new(17, "ERROR");

    const fn new(number: u8, word: &'static str) -> Self {
        Self { number, word }
    }

    /// The severity of a flow.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Dropped | Verdict::Audit => Self::WARN,
            Verdict::Error => Self::ERROR,
            Verdict::Unknown
            | Verdict::Forwarded
            | Verdict::Redirected
            | Verdict::Traced
            | Verdict::Translated => Self::INFO,
        }
    }
}

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// OpenTelemetry's own name where it has one, else one that begins with `flow.`.
    pub key: String,
    /// Its value.
    pub value: Value,
}

impl Attribute {
    /// A text.
    pub fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: Value::Text(value.into()),
        }
    }

    /// A number.
    pub fn number(key: impl Into<String>, value: impl Into<u64>) -> Self {
        Self {
            key: key.into(),
            value: Value::Number(value.into()),
        }
    }

    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        match &self.value {
            Value::Text(text) => text.is_empty(),
            Value::Number(_) => false,
        }
    }
}

/// The attributes of a flow; what it does not say has none.
pub fn attributes(flow: &Flow) -> Vec<Attribute> {
    let direction = match flow.traffic_direction() {
        TrafficDirection::Ingress => "receive",
        TrafficDirection::Egress => "transmit",
        TrafficDirection::Unknown => "",
    };
    let mut list = vec![
        Attribute::text("flow.uuid", &flow.uuid),
        Attribute::text("flow.verdict", flow.verdict().as_str_name()),
        Attribute::text("network.transport", flow.protocol_name()),
        Attribute::text("network.io.direction", direction),
    ];
    if flow.verdict() == Verdict::Dropped {
        let reason = flow.drop_reason_desc().as_str_name();
        list.push(Attribute::text("flow.drop_reason", reason));
    }
    let ip = flow.ip.clone().unwrap_or_default();
    let (from, to) = flow.ports().unwrap_or_default();
    let (source, destination) = (flow.source.as_ref(), flow.destination.as_ref());
    end("source", &ip.source, from, source, &mut list);
    end("destination", &ip.destination, to, destination, &mut list);
    if let Some(counts) = &flow.aggregate {
        let (ingress, egress) = (counts.ingress_flow_count, counts.egress_flow_count);
        list.push(Attribute::number("flow.count.ingress", ingress));
        list.push(Attribute::number("flow.count.egress", egress));
    }
    if let Some(extension) = flow.extension() {
        let packets = extension.packets_told.max(1);
        list.push(Attribute::number("flow.packets", packets));
        list.push(Attribute::number("flow.sent.bytes", extension.sent_bytes));
        let received = extension.received_bytes;
        list.push(Attribute::number("flow.received.bytes", received));
        list.push(Attribute::text("flow.rules", extension.rule_places()));
    }
    list.retain(|attribute| !attribute.is_empty());
    list
}

fn end(
    side: &str,
    address: &str,
    port: u32,
    endpoint: Option<&Endpoint>,
    list: &mut Vec<Attribute>,
) {
    list.push(Attribute::text(format!("{side}.address"), address));
    if port != 0 {
        list.push(Attribute::number(format!("{side}.port"), port));
    }
    if let Some(Endpoint {
        namespace,
        pod_name,
        identity,
        ..
    }) = endpoint
    {
        list.extend([
            Attribute::text(format!("{side}.k8s.namespace.name"), namespace),
            Attribute::text(format!("{side}.k8s.pod.name"), pod_name),
            Attribute::number(format!("{side}.flow.identity"), *identity),
        ]);
    }
}

impl FlowExtension {
    /// `file:line` of the rules that decided.
    pub fn rule_places(&self) -> String {
        let rules = self.rules.iter();
        let places: Vec<String> = rules
            .map(|rule| format!("{}:{}", rule.file, rule.line))
            .collect();
        places.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Ip, Layer4, Tcp, layer4::Protocol};

    #[test]
    fn a_flow_has_the_names_of_the_convention_and_nothing_empty() {
        let flow = Flow {
            verdict: Verdict::Dropped.into(),
            traffic_direction: TrafficDirection::Ingress.into(),
            ip: Some(Ip {
                source: "10.0.0.1".into(),
                ..Ip::default()
            }),
            l4: Some(Layer4 {
                protocol: Some(Protocol::Tcp(Tcp {
                    destination_port: 8080,
                    ..Tcp::default()
                })),
            }),
            ..Flow::default()
        };
        let list = attributes(&flow);
        for expected in [
            Attribute::text("network.transport", "tcp"),
            Attribute::text("network.io.direction", "receive"),
            Attribute::text("source.address", "10.0.0.1"),
            Attribute::number("destination.port", 8080_u32),
        ] {
            assert!(list.contains(&expected), "{expected:?} in {list:?}");
        }
        let missing = ["flow.uuid", "source.port", "destination.address"];
        let there = list.iter().find(|one| missing.contains(&&*one.key));
        assert_eq!(there, None);
        assert_eq!(Severity::of(flow.verdict()), Severity::WARN);
    }
}
