//! What Hubble's filters have no field for: process, rule and numbers of a flow.

use std::time::Duration;

use flowd_proto::Duration as WireDuration;
use flowd_proto::flowd::v1::FlowExtensionFilter;

use super::FilterError;
use crate::args::time::go_duration;
use crate::args::{Field, Term};

/// Units of bytes, in lower case; `k` and `kb` are thousands, `kib` is 1024.
const UNITS: [(&str, u32, u64); 9] = [
    ("b", 0, 1_000),
    ("k", 1, 1_000),
    ("kb", 1, 1_000),
    ("kib", 1, 1_024),
    ("mb", 2, 1_000),
    ("mib", 2, 1_024),
    ("gb", 3, 1_000),
    ("gib", 3, 1_024),
    ("tib", 4, 1_024),
];

/// The filter of these terms, if any of them asks for one.
pub(super) fn build(terms: &[&Term]) -> Result<Option<FlowExtensionFilter>, FilterError> {
    let mut filter = FlowExtensionFilter::default();
    for term in terms {
        add(&mut filter, term)?;
    }
    Ok((filter != FlowExtensionFilter::default()).then_some(filter))
}

fn add(filter: &mut FlowExtensionFilter, term: &Term) -> Result<(), FilterError> {
    let text = term.value.as_str();
    match term.field {
        // Without a value it only asks for a column.
        Field::Process if text.is_empty() => {}
        Field::Process => match text.parse() {
            Ok(pid) => filter.pid.push(pid),
            Err(_) => filter.process.push(text.to_owned()),
        },
        Field::Unit => filter.unit.push(text.to_owned()),
        // Ids are written short wherever people meet them.
        Field::Container if text.contains('*') => filter.container.push(text.to_owned()),
        Field::Container => filter.container.push(format!("{text}*")),
        Field::User => filter.user.push(text.to_owned()),
        Field::Rule => filter.rule.push(text.to_owned()),
        Field::MinBytes => once("--min-bytes", &mut filter.min_bytes, bytes(text)?)?,
        Field::MaxBytes => once("--max-bytes", &mut filter.max_bytes, bytes(text)?)?,
        Field::MinPackets => once("--min-packets", &mut filter.min_packets, packets(text)?)?,
        Field::MaxPackets => once("--max-packets", &mut filter.max_packets, packets(text)?)?,
        Field::MinDuration => once(
            "--min-duration",
            &mut filter.min_duration,
            wire(duration(text)?),
        )?,
        Field::MaxDuration => once(
            "--max-duration",
            &mut filter.max_duration,
            wire(duration(text)?),
        )?,
        Field::Ip
        | Field::Port
        | Field::Pod
        | Field::Namespace
        | Field::AllNamespaces
        | Field::Label
        | Field::Identity
        | Field::Workload
        | Field::Fqdn
        | Field::Service
        | Field::Cluster
        | Field::Verdict
        | Field::DropReason
        | Field::Protocol
        | Field::Type
        | Field::TrafficDirection
        | Field::TcpFlags
        | Field::Ipv4
        | Field::Ipv6
        | Field::IpVersion
        | Field::Reply
        | Field::NotReply
        | Field::Uuid
        | Field::NodeName
        | Field::NodeLabel
        | Field::SnatIp
        | Field::Interface
        | Field::Encrypted
        | Field::Unencrypted
        | Field::HttpStatus
        | Field::HttpMethod
        | Field::HttpPath
        | Field::HttpUrl
        | Field::HttpHeader
        | Field::DnsQuery
        | Field::TraceId
        | Field::IpTraceId
        | Field::CelExpression => {}
    }
    Ok(())
}

fn once<T>(flag: &str, slot: &mut Option<T>, value: T) -> Result<(), FilterError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(FilterError::Value(format!(
            "{flag} is one number: give it once"
        ))),
    }
}

/// A number of bytes, such as 4096, 10k or 1.5MiB.
fn bytes(text: &str) -> Result<u64, FilterError> {
    let wrong = || {
        FilterError::Value(format!(
            "{text:?} is no size: write it like 4096, 10k or 1.5MiB"
        ))
    };
    if let Ok(plain) = text.parse() {
        return Ok(plain);
    }
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = lower.split_at(digits.ok_or_else(wrong)?);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let unit = UNITS.iter().find(|(name, ..)| *name == unit);
    let (_, power, base) = unit.ok_or_else(wrong)?;
    let value = number * base.pow(*power) as f64;
    // Far above what any connection moves, and far below what a float cannot hold.
    if !(0.0..=1e18).contains(&value) {
        return Err(wrong());
    }
    Ok(value.round() as u64)
}

fn packets(text: &str) -> Result<u64, FilterError> {
    text.parse()
        .map_err(|_| FilterError::Value(format!("{text:?} is no number of packets")))
}

fn duration(text: &str) -> Result<Duration, FilterError> {
    go_duration(text).map_err(FilterError::Value)
}

fn wire(duration: Duration) -> WireDuration {
    WireDuration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_people_write_them() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4_096),
            ("10k", 10_000),
            ("10kB", 10_000),
            ("1.5MiB", 1_572_864),
            ("2 GB", 2_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in ["", "k", "-1", "1x", "1.5.5k", "9999999999tib", "nan b"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
