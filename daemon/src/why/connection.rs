//! A connection as policies see it: who opens it, to whom, what for.

use std::net::IpAddr;

use flowd_abi::{
    Direction,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};
use flowd_policy::{Labels, Options, Peer, Query, Subject};

use super::view::{PolicyView, Workload};
use crate::enrich::Party;
use crate::flow::Record;

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Connection<'a> {
    /// Who opens it.
    pub(super) source: Side<'a>,
    /// To whom.
    pub(super) destination: Side<'a>,
    /// IP protocol number.
    pub(super) protocol: u8,
    /// The destination's port, or the ICMP type.
    pub(super) port: u16,
    /// The source's port, where one connection is meant and not a kind of them.
    pub(super) source_port: Option<u16>,
}

/// One side of a connection.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    /// The workload, where it is one of this node.
    pub(super) workload: Option<&'a Workload>,
    /// How it is called: namespace/name, or an address with what it is.
    pub(super) name: String,
    /// Its labels, as policies see them.
    pub(super) labels: Labels,
    /// Its address; the first one when only a workload was named.
    pub(super) address: Option<IpAddr>,
    /// Whether a flow must have this very address; else the workload's name counts.
    pub(super) by_address: bool,
}

/// The direction in which the other end of a connection judges it.
pub(super) const fn other(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

impl<'a> Connection<'a> {
    /// The connection of a record.
    pub(super) fn of(record: &Record, view: &'a PolicyView) -> Self {
        let judged = &record.judged;
        let event = &judged.event;
        let (local, remote) = match judged.direction {
            Direction::Egress => (SOURCE, DESTINATION),
            Direction::Ingress => (DESTINATION, SOURCE),
        };
        let local = Side::of(&record.local, judged.ip(local), view);
        let peer = Side::of(&record.peer, judged.ip(remote), view);
        let outgoing = judged.judged_direction() == Direction::Egress;
        let (source, destination) = if outgoing {
            (local, peer)
        } else {
            (peer, local)
        };
        let (source_port, port) = if outgoing {
            (event.local_port, event.remote_port)
        } else {
            (event.remote_port, event.local_port)
        };
        let icmp = [ICMP, ICMPV6].contains(&event.protocol);
        Self {
            source,
            destination,
            protocol: event.protocol,
            port: if icmp { asked_type(record) } else { port },
            source_port: (!icmp).then_some(source_port),
        }
    }

    /// The side whose policies judge in this direction.
    pub(super) const fn subject(&self, direction: Direction) -> &Side<'a> {
        match direction {
            Direction::Egress => &self.source,
            Direction::Ingress => &self.destination,
        }
    }

    /// The question to the policies of one end.
    pub(super) fn query(&self, direction: Direction, options: Options) -> Query<'_> {
        let peer = self.subject(other(direction));
        Query {
            subject: Subject::of(&self.subject(direction).labels),
            direction,
            peer: Peer {
                labels: &peer.labels,
                address: peer.address,
            },
            protocol: self.protocol,
            port: self.port,
            named_ports: self.destination.workload.map(|workload| &workload.ports),
            options,
        }
    }

    /// Protocol and port, such as `TCP/8080`.
    pub(super) fn destination_text(&self) -> String {
        format!("{}/{}", protocol_name(self.protocol), self.port)
    }
}

const SOURCE: crate::flow::record::Side = crate::flow::record::Side::Source;
const DESTINATION: crate::flow::record::Side = crate::flow::record::Side::Destination;

/// The type of the question a message is, or answers.
pub(super) fn asked_type(record: &Record) -> u16 {
    u16::from(record.judged.asked_type())
}

impl<'a> Side<'a> {
    /// A workload.
    pub(super) fn workload(workload: &'a Workload) -> Self {
        Self {
            workload: Some(workload),
            name: workload.key(),
            labels: workload.labels.clone(),
            address: workload.addresses.first().copied(),
            by_address: false,
        }
    }

    /// Whoever has an address.
    pub(super) fn address(address: IpAddr, view: &'a PolicyView) -> Self {
        let side = match view.owner(address) {
            Some(workload) => Self::workload(workload),
            None => {
                let kind = if view.host.contains(&address) {
                    "host"
                } else {
                    "world"
                };
                Self {
                    workload: None,
                    name: format!("{address} ({kind})"),
                    labels: Labels::reserved(&[kind]),
                    address: None,
                    by_address: true,
                }
            }
        };
        Self {
            address: Some(address),
            by_address: true,
            ..side
        }
    }

    /// A side of a record: as it was judged, not as it is now.
    fn of(party: &Party, address: Option<IpAddr>, view: &'a PolicyView) -> Self {
        let known = !party.name.is_empty();
        let workload = known
            .then(|| view.workload(&party.namespace, &party.name))
            .flatten();
        let name = if known {
            format!("{}/{}", party.namespace, party.name)
        } else {
            let mut reserved = party.labels.iter();
            let kind = reserved.find_map(|label| label.strip_prefix("reserved:"));
            let kind = kind.unwrap_or("unknown");
            address.map_or_else(|| kind.to_owned(), |address| format!("{address} ({kind})"))
        };
        Self {
            workload,
            name,
            labels: party.label_set.clone(),
            address,
            by_address: true,
        }
    }
}

/// A protocol as policies write it.
pub(super) fn protocol_name(protocol: u8) -> String {
    match protocol {
        TCP => "TCP".to_owned(),
        UDP => "UDP".to_owned(),
        SCTP => "SCTP".to_owned(),
        ICMP => "ICMP".to_owned(),
        ICMPV6 => "ICMPv6".to_owned(),
        other => other.to_string(),
    }
}
