//! A question by source, destination, protocol and port.

use std::net::IpAddr;

use flowd_abi::{
    Direction,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};
use flowd_proto::flow::TrafficDirection;
use flowd_proto::flowd::v1::WhyTuple;

use super::close;
use super::connection::{Connection, Side};
use super::error::WhyError;
use super::view::PolicyView;

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) connection: Connection<'a>,
    pub(super) directions: Vec<Direction>,
}

impl Asked<'_> {
    /// Nobody has seen it, and nobody here would judge it.
    pub(super) fn nobody(&self) -> WhyError {
        let Connection {
            source,
            destination,
            ..
        } = &self.connection;
        let who = match self.directions.as_slice() {
            [Direction::Egress] => format!("{} is no workload", source.name),
            [Direction::Ingress] => format!("{} is no workload", destination.name),
            _ => format!(
                "neither {} nor {} is a workload",
                source.name, destination.name
            ),
        };
        WhyError::Unknown(format!(
            "{who} of this node, so no policy here decides; `flowctl status` lists the workloads"
        ))
    }
}

/// Reads a question.
pub(super) fn read<'a>(view: &'a PolicyView, tuple: &WhyTuple) -> Result<Asked<'a>, WhyError> {
    let mut source = side(view, "source", &tuple.source)?;
    let mut destination = side(view, "destination", &tuple.destination)?;
    let protocol = protocol(&tuple.protocol)?;
    let bound = if [ICMP, ICMPV6].contains(&protocol) {
        u32::from(u8::MAX)
    } else {
        u32::from(u16::MAX)
    };
    let port = u16::try_from(tuple.port)
        .ok()
        .filter(|_| tuple.port <= bound)
        .ok_or_else(|| {
            WhyError::Invalid(format!("port or type {} is above {bound}", tuple.port))
        })?;
    one_family(&mut source, &mut destination, protocol)?;
    let directions = match tuple.direction() {
        TrafficDirection::Unknown => vec![Direction::Egress, Direction::Ingress],
        TrafficDirection::Egress => vec![Direction::Egress],
        TrafficDirection::Ingress => vec![Direction::Ingress],
    };
    Ok(Asked {
        connection: Connection {
            source,
            destination,
            protocol,
            port,
            source_port: None,
        },
        directions,
    })
}

fn side<'a>(view: &'a PolicyView, which: &str, text: &str) -> Result<Side<'a>, WhyError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Side::address(address.to_canonical(), view));
    }
    let Some((namespace, name)) = text.split_once('/') else {
        let short: String = text.chars().take(64).collect();
        let known = view.workloads.iter().find(|known| known.name == text);
        let example = known.map_or_else(|| format!("default/{short}"), super::Workload::key);
        return Err(WhyError::Invalid(format!(
            "{which} {short:?} is neither an address nor namespace/name, such as {example}"
        )));
    };
    let workload = view.workload(namespace, name);
    workload
        .map(Side::workload)
        .ok_or_else(|| unknown(view, which, namespace, name))
}

fn unknown(view: &PolicyView, which: &str, namespace: &str, name: &str) -> WhyError {
    let text: String = format!("{namespace}/{name}").chars().take(128).collect();
    let mut known: Vec<String> = view
        .workloads
        .iter()
        .filter(|workload| {
            workload.name == name
                || workload.namespace == namespace && close::one_off(&workload.name, name)
        })
        .map(super::Workload::key)
        .collect();
    known.truncate(3);
    let hint = if known.is_empty() {
        "`flowctl status` lists the workloads; others are asked about by address".to_owned()
    } else {
        format!("did you mean {}?", known.join(" or "))
    };
    WhyError::Unknown(format!(
        "{which} {text:?} is no workload of this node; {hint}"
    ))
}

fn protocol(text: &str) -> Result<u8, WhyError> {
    let number = match text.to_ascii_uppercase().as_str() {
        "TCP" => TCP,
        "UDP" => UDP,
        "SCTP" => SCTP,
        "ICMP" | "ICMPV4" => ICMP,
        "ICMPV6" | "ICMP6" => ICMPV6,
        other => other.parse().map_err(|_| {
            let short: String = text.chars().take(32).collect();
            WhyError::Invalid(format!(
                "protocol {short:?} is none of TCP, UDP, SCTP, ICMP, ICMPv6 and no number up to 255"
            ))
        })?,
    };
    Ok(number)
}

/// Gives both sides an address of the same family.
fn one_family<'a>(
    source: &mut Side<'a>,
    destination: &mut Side<'a>,
    protocol: u8,
) -> Result<(), WhyError> {
    let fixed = |side: &Side<'_>| {
        let address = side.address.filter(|_| side.by_address);
        address.map(|address| address.is_ipv4())
    };
    let of_protocol = match protocol {
        ICMP => Some(true),
        ICMPV6 => Some(false),
        _ => None,
    };
    let wanted: Vec<bool> = [fixed(source), fixed(destination), of_protocol]
        .into_iter()
        .flatten()
        .collect();
    if wanted.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(WhyError::Invalid(
            "addresses and protocol are not of one family: no packet can be like that".to_owned(),
        ));
    }
    let v4 = wanted.first().copied();
    for side in [source, destination] {
        if let (false, Some(workload)) = (side.by_address, side.workload) {
            let mut addresses = workload.addresses.iter();
            side.address = addresses
                .find(|address| v4.is_none_or(|v4| address.is_ipv4() == v4))
                .or(workload.addresses.first())
                .copied();
        }
    }
    Ok(())
}
