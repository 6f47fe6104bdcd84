//! Values of filter flags: names become the API's numbers and messages.

use flowd_proto::flow::{
    DropReason, EventTypeFilter, HttpHeader, IpVersion, NetworkInterface, TcpFlags,
    TrafficDirection, Verdict, Workload,
};
use flowd_proto::reserved;

use super::FilterError;
use crate::print::words::{EVENT_TYPES, TRACE_POINTS};

fn wrong<T>(text: &str, what: &str) -> Result<T, FilterError> {
    Err(FilterError::Value(format!("{text:?} is no {what}")))
}

pub(super) fn port(text: &str) -> Result<u16, FilterError> {
    text.parse()
        .or_else(|_| wrong(text, "port: write a number from 0 to 65535"))
}

pub(super) fn verdict(text: &str) -> Result<Verdict, FilterError> {
    Verdict::from_str_name(&text.to_ascii_uppercase()).map_or_else(|| wrong(text, "verdict"), Ok)
}

pub(super) fn drop_reason(text: &str) -> Result<DropReason, FilterError> {
    DropReason::from_str_name(&text.to_ascii_uppercase()).map_or_else(
        || wrong(text, "drop reason of Hubble's; see `flowctl explain`"),
        Ok,
    )
}

pub(super) fn direction(text: &str) -> Result<TrafficDirection, FilterError> {
    TrafficDirection::from_str_name(&text.to_ascii_uppercase())
        .map_or_else(|| wrong(text, "direction: ingress or egress"), Ok)
}

pub(super) fn ip_version(text: &str) -> Result<IpVersion, FilterError> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(IpVersion::IpNotUsed),
        "v4" => Ok(IpVersion::IPv4),
        "v6" => Ok(IpVersion::IPv6),
        _ => wrong(text, "IP version: none, v4 or v6"),
    }
}

/// A number, or the name of a reserved identity.
pub(super) fn identity(text: &str) -> Result<u32, FilterError> {
    let named = reserved::number(text.strip_prefix("reserved:").unwrap_or(text));
    match named.or_else(|| text.parse().ok()) {
        Some(identity) => Ok(identity),
        None => wrong(
            text,
            "identity: write a number or a reserved name such as world",
        ),
    }
}

pub(super) fn workload(text: &str) -> Workload {
    match text.split_once('/') {
        Some((kind, name)) => Workload {
            kind: kind.to_owned(),
            name: name.to_owned(),
        },
        None => Workload {
            kind: String::new(),
            name: text.to_owned(),
        },
    }
}

/// A device by number or by name.
pub(super) fn interface(text: &str) -> NetworkInterface {
    match text.parse() {
        Ok(index) => NetworkInterface {
            index,
            name: String::new(),
        },
        Err(_) => NetworkInterface {
            index: 0,
            name: text.to_owned(),
        },
    }
}

/// `NAME:VALUE`; blanks around both do not count.
pub(super) fn header(text: &str) -> Result<HttpHeader, FilterError> {
    let Some((key, value)) = text.split_once(':') else {
        return wrong(text, "header: write NAME:VALUE");
    };
    Ok(HttpHeader {
        key: key.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}

pub(super) fn trace(text: &str) -> Result<u64, FilterError> {
    text.parse()
        .or_else(|_| wrong(text, "IP trace id: write a number"))
}

/// Flags joined by commas; a flow must have all of them.
pub(super) fn tcp_flags(text: &str) -> Result<TcpFlags, FilterError> {
    let mut flags = TcpFlags::default();
    for name in text.split(',') {
        let flag = match name.trim().to_ascii_lowercase().as_str() {
            "fin" => &mut flags.fin,
            "syn" => &mut flags.syn,
            "rst" => &mut flags.rst,
            "psh" => &mut flags.psh,
            "ack" => &mut flags.ack,
            "urg" => &mut flags.urg,
            "ece" => &mut flags.ece,
            "cwr" => &mut flags.cwr,
            "ns" => &mut flags.ns,
            _ => {
                return wrong(
                    name,
                    "TCP flag: fin, syn, rst, psh, ack, urg, ece, cwr or ns",
                );
            }
        };
        *flag = true;
    }
    Ok(flags)
}

/// `TYPE` or `TYPE:SUBTYPE`, each a name or a number.
pub(super) fn event_type(text: &str) -> Result<EventTypeFilter, FilterError> {
    let (kind, sub) = match text.split_once(':') {
        Some((kind, sub)) => (kind, Some(sub)),
        None => (text, None),
    };
    let named = EVENT_TYPES
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, number)| *number);
    let Some(kind) = named.or_else(|| kind.parse().ok()) else {
        let names: Vec<&str> = EVENT_TYPES.iter().map(|(name, _)| *name).collect();
        return wrong(
            text,
            &format!("event type: {}, or a number", names.join(", ")),
        );
    };
    let sub_type = match sub {
        None => 0,
        Some(sub) => match sub_type(sub) {
            Some(number) => number,
            None => {
                return wrong(
                    sub,
                    "subtype: such as to-endpoint, POLICY_DENIED, or a number",
                );
            }
        },
    };
    Ok(EventTypeFilter {
        r#type: kind,
        match_sub_type: sub.is_some(),
        sub_type,
    })
}

fn sub_type(text: &str) -> Option<i32> {
    let point = TRACE_POINTS.iter().position(|name| *name == text);
    let point = point.and_then(|number| i32::try_from(number).ok());
    let reason = || DropReason::from_str_name(&text.to_ascii_uppercase()).map(i32::from);
    point.or_else(reason).or_else(|| text.parse().ok())
}
