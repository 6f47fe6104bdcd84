//! One question: from whom, to whom, on what.

use flowd_abi::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};

use crate::{
    diagnostic::Diagnostic,
    parse::{
        field::{Field, Object},
        report::Report,
    },
    syntax,
    yaml::{Node, Value},
};

/// One question about policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// The sender: `namespace/name`, the name of an external, an address, or `reserved:<name>`.
    pub from: String,
    /// The receiver, named like the sender.
    pub to: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination port, or ICMP type.
    pub port: u16,
    /// What its author expects, if they say so.
    pub expect: Option<Expected>,
    file: String,
    line: u32,
}

/// What the author of a case expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It passes both ends.
    Allowed,
    /// One of the ends drops it.
    Denied,
}

impl Case {
    /// The line the case starts at.
    pub const fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn unknown(&self, end: &str) -> Diagnostic {
        Diagnostic {
            file: self.file.clone(),
            line: self.line,
            column: 1,
            path: self.id.clone(),
            message: format!("the world has no {:?}", syntax::shorten(end)),
            help: "name an endpoint as namespace/name, an external, or an address".to_owned(),
        }
    }
}

pub(super) fn read(report: &Report, document: &Node) -> Option<Vec<Case>> {
    let cases: Vec<Option<Case>> = Field::root(report, document)
        .items()?
        .iter()
        .map(case)
        .collect();
    cases.into_iter().collect()
}

fn case(field: &Field<'_>) -> Option<Case> {
    let object = field.object(
        &["id", "from", "to", "protocol", "port", "icmpType", "expect"],
        &[],
    )?;
    let text = |name, help| object.require(name, help)?.text().map(str::to_owned);
    let id = object.require("id", "give the case a name of its own")?;
    let id = match id.value() {
        Value::Integer(number) => number.to_string(),
        Value::Text(_)
        | Value::Null
        | Value::Boolean(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Object(_) => id.text()?.to_owned(),
    };
    let (protocol, port) = destination(&object)?;
    Some(Case {
        id,
        from: text("from", "name the sender")?,
        to: text("to", "name the receiver")?,
        protocol,
        port,
        expect: expected(&object)?,
        file: field.report().file().to_owned(),
        line: field.line(),
    })
}

fn expected(case: &Object<'_>) -> Option<Option<Expected>> {
    let Some(field) = case.get("expect") else {
        return Some(None);
    };
    match field.text()? {
        "allowed" => Some(Some(Expected::Allowed)),
        "denied" => Some(Some(Expected::Denied)),
        other => {
            field.error(
                format!("{:?} is not a verdict", syntax::shorten(other)),
                "use allowed or denied",
            );
            None
        }
    }
}

fn destination(case: &Object<'_>) -> Option<(u8, u16)> {
    let protocol = case.require("protocol", "use TCP, UDP, SCTP, ICMP or ICMPv6")?;
    let (number, name) = match protocol.text()?.to_ascii_uppercase().as_str() {
        "TCP" => (TCP, "port"),
        "UDP" => (UDP, "port"),
        "SCTP" => (SCTP, "port"),
        "ICMP" => (ICMP, "icmpType"),
        "ICMPV6" => (ICMPV6, "icmpType"),
        other => {
            protocol.error(
                format!("{:?} is not a protocol", syntax::shorten(other)),
                "use TCP, UDP, SCTP, ICMP or ICMPv6",
            );
            return None;
        }
    };
    let field = case.require(name, "write a number")?;
    let largest = if name == "port" { u16::MAX } else { 255 };
    let value = match field.value() {
        Value::Integer(value) => u16::try_from(*value).ok(),
        Value::Text(text) => text.parse().ok(),
        Value::Null | Value::Boolean(_) | Value::Float(_) | Value::List(_) | Value::Object(_) => {
            None
        }
    };
    match value.filter(|value| *value <= largest) {
        Some(value) => Some((number, value)),
        None => {
            field.error(
                "is out of range",
                format!("write a number from 0 to {largest}"),
            );
            None
        }
    }
}
