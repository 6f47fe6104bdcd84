//! One question: from whom, to whom, on what.

use flowd_abi::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};

use super::Verdict;
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
    pub expect: Expectation,
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

/// What the author of a case expects, as far as they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Of both ends together.
    pub verdict: Option<Expected>,
    /// Of the sender's policies.
    pub egress: Option<ExpectedEnd>,
    /// Of the receiver's policies.
    pub ingress: Option<ExpectedEnd>,
}

impl Expectation {
    /// Whether nothing is expected.
    pub const fn is_empty(&self) -> bool {
        self.verdict.is_none() && self.egress.is_none() && self.ingress.is_none()
    }
}

/// What is expected of one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedEnd {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The deciding policies, `kind/namespace/name`, sorted.
    pub policies: Option<Vec<String>>,
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

/// A verdict, or an object with the verdicts of both together and of each end.
fn expected(case: &Object<'_>) -> Option<Expectation> {
    let Some(field) = case.get("expect") else {
        return Some(Expectation::default());
    };
    let Value::Object(_) = field.value() else {
        return Some(Expectation {
            verdict: Some(both(field)?),
            ..Expectation::default()
        });
    };
    let object = field.object(&["verdict", "egress", "ingress"], &[])?;
    let end = |name| {
        object
            .get(name)
            .map_or(Some(None), |field| end(field).map(Some))
    };
    Some(Expectation {
        verdict: match object.get("verdict") {
            None => None,
            Some(field) => Some(both(field)?),
        },
        egress: end("egress")?,
        ingress: end("ingress")?,
    })
}

/// A verdict, or an object with the deciding policies too.
fn end(field: &Field<'_>) -> Option<ExpectedEnd> {
    let Value::Object(_) = field.value() else {
        return Some(ExpectedEnd {
            verdict: Some(verdict(field)?),
            policies: None,
        });
    };
    let object = field.object(&["verdict", "policies"], &[])?;
    let policies = match object.get("policies") {
        None => None,
        Some(list) => {
            let names: Option<Vec<&str>> = list.items()?.iter().map(Field::text).collect();
            let mut names: Vec<String> = names?.into_iter().map(str::to_owned).collect();
            names.sort();
            Some(names)
        }
    };
    Some(ExpectedEnd {
        verdict: match object.get("verdict") {
            None => None,
            Some(field) => Some(verdict(field)?),
        },
        policies,
    })
}

fn verdict(field: &Field<'_>) -> Option<Verdict> {
    match field.text()? {
        "allowed" => Some(Verdict::Allowed),
        "denied" => Some(Verdict::Denied),
        "unenforced" => Some(Verdict::Unenforced),
        other => {
            field.error(
                format!("{:?} is not the verdict of an end", syntax::shorten(other)),
                "use allowed, denied or unenforced",
            );
            None
        }
    }
}

fn both(field: &Field<'_>) -> Option<Expected> {
    match field.text()? {
        "allowed" => Some(Expected::Allowed),
        "denied" => Some(Expected::Denied),
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
