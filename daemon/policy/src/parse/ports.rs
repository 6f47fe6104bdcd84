//! `toPorts`: protocols and ports.

use flowd_abi::{
    Action, Direction,
    protocol::{SCTP, TCP, UDP},
};

use super::{
    field::{Field, Object},
    layer7,
};
use crate::{
    object::{Destination, PortRange},
    syntax,
    yaml::Value,
};

/// More ports in one entry than the language allows.
const MAX_PORTS: usize = 40;
/// A longer name is not a service name (RFC 6335, section 5.1).
const MAX_NAME: usize = 15;

/// The destinations `toPorts` names; `Some(None)` when it is absent or empty, `None` when
/// something was reported about it.
pub(super) fn read(
    rule: &Object<'_>,
    direction: Direction,
    action: Action,
) -> Option<Option<Vec<Destination>>> {
    let Some(field) = rule.get("toPorts") else {
        return Some(None);
    };
    let entries = field.items()?;
    if entries.is_empty() {
        return Some(None);
    }
    let read: Vec<Option<Vec<Destination>>> = entries
        .iter()
        .map(|field| entry(field, direction, action))
        .collect();
    let read: Option<Vec<Vec<Destination>>> = read.into_iter().collect();
    Some(Some(read?.concat()))
}

fn entry(field: &Field<'_>, direction: Direction, action: Action) -> Option<Vec<Destination>> {
    let object = field.object(&[&["ports"], &layer7::FIELDS[..]].concat(), &[])?;
    let ports = object.items("ports").unwrap_or_default();
    if ports.is_empty() {
        field.error(
            "names no port",
            "list at least one port, or leave out toPorts to mean every port",
        );
        return None;
    }
    if ports.len() > MAX_PORTS {
        field.error(
            format!(
                "lists {} ports; at most {MAX_PORTS} are allowed",
                ports.len()
            ),
            "use endPort for ranges, or split the list over two entries of toPorts",
        );
        return None;
    }
    let read: Vec<Option<Vec<Destination>>> = ports.iter().map(port).collect();
    let read: Option<Vec<Vec<Destination>>> = read.into_iter().collect();
    layer7::limit(&object, read?.concat(), direction, action)
}

fn port(field: &Field<'_>) -> Option<Vec<Destination>> {
    let object = field.object(&["port", "endPort", "protocol"], &[])?;
    let protocols = protocols(&object);
    let port = object.require(
        "port",
        "write a port, or \"0\" for every port of the protocol",
    )?;
    let destination: Box<dyn Fn(u8) -> Destination> = match number_or_name(port)? {
        Port::Number(first) => {
            let last = last(&object, first)?;
            Box::new(move |protocol| Destination::Ports(range(protocol, first, last)))
        }
        Port::Name(name) => {
            if let Some(end) = object
                .get("endPort")
                .filter(|end| *end.value() != Value::Integer(0))
            {
                end.refuse(
                    "a named port has no range",
                    "remove endPort, or write the port's number",
                );
                return None;
            }
            Box::new(move |protocol| Destination::Named {
                protocol,
                name: name.clone(),
            })
        }
    };
    Some(
        protocols?
            .iter()
            .map(|&protocol| destination(protocol))
            .collect(),
    )
}

const fn range(protocol: u8, first: u16, last: u16) -> PortRange {
    match first {
        0 => PortRange::all(protocol),
        first => PortRange {
            protocol,
            first,
            last,
        },
    }
}

/// The last port of a range that starts at `first`.
fn last(object: &Object<'_>, first: u16) -> Option<u16> {
    let Some(field) = object.get("endPort") else {
        return Some(first);
    };
    let last = end(field)?;
    if last != 0 && last < first {
        field.warning(
            format!("is below port {first}; only port {first} is meant"),
            "swap port and endPort, or remove endPort",
        );
    }
    Some(last.max(first))
}

fn protocols(object: &Object<'_>) -> Option<&'static [u8]> {
    const ANY: &[u8] = &[TCP, UDP, SCTP];
    let Some(field) = object.get("protocol") else {
        return Some(ANY);
    };
    let name = field.text()?.to_ascii_uppercase();
    match name.as_str() {
        "" | "ANY" => Some(ANY),
        "TCP" => Some(&[TCP]),
        "UDP" => Some(&[UDP]),
        "SCTP" => Some(&[SCTP]),
        "ICMP" | "ICMPV6" => {
            field.error(
                format!("{name} has no ports"),
                "use icmps beside, not inside, toPorts",
            );
            None
        }
        _ => {
            field.error(
                format!("{:?} is not a protocol with ports", syntax::shorten(&name)),
                "use TCP, UDP, SCTP or ANY",
            );
            None
        }
    }
}

/// A port as it is written.
pub(super) enum Port {
    Number(u16),
    /// In lower case.
    Name(String),
}

pub(super) fn number_or_name(field: &Field<'_>) -> Option<Port> {
    const PORTS: &str = "ports are 1 to 65535, or 0 for every port";
    let text = match field.value() {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Boolean(_) | Value::Float(_) | Value::List(_) | Value::Object(_) => {
            field.text()?.to_owned()
        }
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && text.len() > 1 && text.starts_with('0') {
        field.error(
            format!("{:?} starts with 0", syntax::shorten(&text)),
            "write the port in decimal digits",
        );
        return None;
    }
    if !digits && is_service_name(&text) {
        return Some(Port::Name(text.to_ascii_lowercase()));
    }
    if let Some(number) = text.parse().ok().filter(|_| digits) {
        return Some(Port::Number(number));
    }
    field.error(format!("{:?} is not a port", syntax::shorten(&text)), PORTS);
    None
}

pub(super) fn end(field: &Field<'_>) -> Option<u16> {
    if let Value::Integer(number) = field.value()
        && let Ok(number) = u16::try_from(*number)
    {
        return Some(number);
    }
    field.error(
        "is not a port number",
        "endPort is a number from 1 to 65535, without quotes",
    );
    None
}

fn is_service_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    bytes.len() <= MAX_NAME
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-')
        && bytes.first().is_some_and(|&byte| plain(byte))
        && bytes.last().is_some_and(|&byte| plain(byte))
}
