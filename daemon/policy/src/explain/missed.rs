//! What kept a rule from matching, in words.

use std::{fmt, net::IpAddr};

use flowd_abi::protocol::{ICMP, ICMPV6, SCTP, TCP, UDP};

use crate::{
    object::{CidrSet, Destination, Entity},
    selector::Requirement,
};

/// One thing about a connection that a rule does not cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// A label of the peer.
    Label {
        /// What the rule asks for.
        requirement: Requirement,
        /// The values the peer has for this key.
        found: Vec<String>,
    },
    /// The peer is not of this group.
    Entity(Entity),
    /// The peer's address.
    Address {
        /// The address, when the peer has one that counts.
        address: Option<IpAddr>,
        /// The block of the rule.
        set: CidrSet,
    },
    /// The rule selects no peer at all.
    Nobody,
    /// The protocol.
    Protocol {
        /// The connection's.
        protocol: u8,
        /// What the rule covers.
        rule: Vec<Destination>,
    },
    /// The port, or the ICMP type.
    Port {
        /// The connection's protocol.
        protocol: u8,
        /// The connection's port.
        port: u16,
        /// What the rule covers of this protocol.
        rule: Vec<Destination>,
    },
}

impl Missed {
    /// How far the rule is from matching: a port is a smaller step than another peer.
    pub(super) const fn distance(&self) -> u32 {
        match self {
            Self::Port { .. } => 1,
            Self::Protocol { .. } => 2,
            Self::Label { .. } => 3,
            Self::Address { .. } | Self::Entity(_) => 6,
            Self::Nobody => 20,
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label { requirement, found } => label(f, requirement, found),
            Self::Entity(entity) => write!(f, "the peer is not {}", entity.name()),
            Self::Address { address: None, set } => {
                write!(f, "the peer is no address in {}", set.cidr)
            }
            Self::Address {
                address: Some(address),
                set,
            } if set.cidr.contains(address) => {
                write!(
                    f,
                    "{address} is excepted from {}, or belongs to a workload",
                    set.cidr
                )
            }
            Self::Address {
                address: Some(address),
                set,
            } => {
                write!(f, "{address} is not in {}", set.cidr)
            }
            Self::Nobody => f.write_str("the rule selects no peer"),
            Self::Protocol { protocol, rule } => {
                write!(f, "{} is not covered, only ", Protocol(*protocol))?;
                destinations(f, rule)
            }
            Self::Port {
                protocol,
                port,
                rule,
            } => {
                let what = if [ICMP, ICMPV6].contains(protocol) {
                    "type"
                } else {
                    "port"
                };
                write!(
                    f,
                    "{} {what} {port} is not covered, only ",
                    Protocol(*protocol)
                )?;
                destinations(f, rule)
            }
        }
    }
}

fn label(f: &mut fmt::Formatter<'_>, requirement: &Requirement, found: &[String]) -> fmt::Result {
    let key = requirement.key();
    let found = if found.is_empty() {
        "has no such label".to_owned()
    } else {
        format!("has {:?}", found.join(", "))
    };
    match requirement {
        Requirement::In(_, values) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            write!(
                f,
                "label {key} must be {:?}, the peer {found}",
                values.join(" or ")
            )
        }
        Requirement::NotIn(_, values) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            write!(
                f,
                "label {key} must not be {:?}, the peer {found}",
                values.join(" or ")
            )
        }
        Requirement::Exists(_) => write!(f, "label {key} must be there, the peer {found}"),
        Requirement::DoesNotExist(_) => {
            write!(f, "label {key} must not be there, the peer {found}")
        }
    }
}

fn destinations(f: &mut fmt::Formatter<'_>, list: &[Destination]) -> fmt::Result {
    if list.is_empty() {
        return f.write_str("nothing");
    }
    for (index, destination) in list.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        match destination {
            Destination::Ports(range) if range.is_all() => {
                write!(f, "{comma}{}", Protocol(range.protocol))?;
            }
            Destination::Ports(range) if range.first == range.last => {
                write!(f, "{comma}{}/{}", Protocol(range.protocol), range.first)?;
            }
            Destination::Ports(range) => {
                let (first, last) = (range.first, range.last);
                write!(f, "{comma}{}/{first}-{last}", Protocol(range.protocol))?;
            }
            Destination::Named { protocol, name } => {
                write!(f, "{comma}{}/{name}", Protocol(*protocol))?;
            }
        }
    }
    Ok(())
}

/// A protocol by the name policies use.
pub(super) struct Protocol(pub(super) u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TCP => f.write_str("TCP"),
            UDP => f.write_str("UDP"),
            SCTP => f.write_str("SCTP"),
            ICMP => f.write_str("ICMP"),
            ICMPV6 => f.write_str("ICMPv6"),
            other => write!(f, "protocol {other}"),
        }
    }
}
