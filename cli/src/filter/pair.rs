//! The two filters behind a list of flags: what holds for the source in one, for the destination in
//! the other.

use flowd_proto::flow::{FlowFilter, IpVersion};

use super::FilterError;
use super::value;
use crate::args::{Field, Side, Term};

/// Which end a value is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

#[derive(Debug, Default)]
pub(super) struct Pair {
    left: FlowFilter,
    right: FlowFilter,
    touched: bool,
}

impl Pair {
    /// Adds a term; workload names and namespaces are [`super::names::Names`]' affair, what Hubble
    /// has no field for is [`super::beyond`]'s.
    pub(super) fn add(&mut self, term: &Term) -> Result<(), FilterError> {
        let text = term.value.as_str();
        match term.field {
            Field::Pod
            | Field::Service
            | Field::Namespace
            | Field::AllNamespaces
            | Field::Process
            | Field::Unit
            | Field::Container
            | Field::User
            | Field::Rule
            | Field::MinBytes
            | Field::MaxBytes
            | Field::MinPackets
            | Field::MaxPackets
            | Field::MinDuration
            | Field::MaxDuration => return Ok(()),
            Field::Ip => self.ends(term.side, text, |f, end, text| {
                pick(end, &mut f.source_ip, &mut f.destination_ip).push(text.to_owned());
                Ok(())
            })?,
            Field::Port => {
                value::port(text)?;
                self.ends(term.side, text, |f, end, text| {
                    pick(end, &mut f.source_port, &mut f.destination_port).push(text.to_owned());
                    Ok(())
                })?;
            }
            Field::Label => self.ends(term.side, text, |f, end, text| {
                pick(end, &mut f.source_label, &mut f.destination_label).push(text.to_owned());
                Ok(())
            })?,
            Field::Fqdn => self.ends(term.side, text, |f, end, text| {
                pick(end, &mut f.source_fqdn, &mut f.destination_fqdn).push(text.to_owned());
                Ok(())
            })?,
            Field::Identity => self.ends(term.side, text, |f, end, text| {
                let identity = value::identity(text)?;
                pick(end, &mut f.source_identity, &mut f.destination_identity).push(identity);
                Ok(())
            })?,
            Field::Workload => self.ends(term.side, text, |f, end, text| {
                let workload = value::workload(text);
                pick(end, &mut f.source_workload, &mut f.destination_workload).push(workload);
                Ok(())
            })?,
            Field::Cluster => self.ends(term.side, text, |f, end, text| {
                let (source, destination) =
                    (&mut f.source_cluster_name, &mut f.destination_cluster_name);
                pick(end, source, destination).push(text.to_owned());
                Ok(())
            })?,
            Field::Verdict
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
            | Field::CelExpression => self.both(|filter| sideless(filter, term.field, text))?,
        }
        Ok(())
    }

    /// Writes a value to the end or ends that `side` means.
    pub(super) fn ends(
        &mut self,
        side: Side,
        text: &str,
        write: impl Fn(&mut FlowFilter, End, &str) -> Result<(), FilterError>,
    ) -> Result<(), FilterError> {
        match side {
            Side::Either => {
                self.touched = true;
                write(&mut self.left, End::Source, text)?;
                write(&mut self.right, End::Destination, text)
            }
            Side::From => self.both(|filter| write(filter, End::Source, text)),
            Side::To => self.both(|filter| write(filter, End::Destination, text)),
        }
    }

    fn both(
        &mut self,
        write: impl Fn(&mut FlowFilter) -> Result<(), FilterError>,
    ) -> Result<(), FilterError> {
        self.touched = true;
        write(&mut self.left)?;
        write(&mut self.right)
    }

    /// One filter if the sides do not matter, none if nothing was asked.
    pub(super) fn into_filters(self) -> Vec<FlowFilter> {
        match self.touched {
            false => Vec::new(),
            true if self.left == self.right => vec![self.left],
            true => vec![self.left, self.right],
        }
    }
}

/// The list of one end.
pub(super) fn pick<'a, T>(
    end: End,
    source: &'a mut Vec<T>,
    destination: &'a mut Vec<T>,
) -> &'a mut Vec<T> {
    match end {
        End::Source => source,
        End::Destination => destination,
    }
}

fn sideless(filter: &mut FlowFilter, field: Field, text: &str) -> Result<(), FilterError> {
    match field {
        Field::Verdict => filter.verdict.push(value::verdict(text)?.into()),
        Field::DropReason => filter
            .drop_reason_desc
            .push(value::drop_reason(text)?.into()),
        Field::Protocol => filter.protocol.push(text.to_ascii_lowercase()),
        Field::Type => filter.event_type.push(value::event_type(text)?),
        Field::TrafficDirection => filter
            .traffic_direction
            .push(value::direction(text)?.into()),
        Field::TcpFlags => filter.tcp_flags.push(value::tcp_flags(text)?),
        Field::Ipv4 => filter.ip_version.push(IpVersion::IPv4.into()),
        Field::Ipv6 => filter.ip_version.push(IpVersion::IPv6.into()),
        Field::IpVersion => filter.ip_version.push(value::ip_version(text)?.into()),
        Field::Reply => filter.reply.push(true),
        Field::NotReply => filter.reply.push(false),
        Field::Uuid => filter.uuid.push(text.to_owned()),
        Field::NodeName => filter.node_name.push(text.to_owned()),
        Field::NodeLabel => filter.node_labels.push(text.to_owned()),
        Field::SnatIp => filter.source_ip_xlated.push(text.to_owned()),
        Field::Interface => filter.interface.push(value::interface(text)),
        Field::Encrypted => filter.encrypted.push(true),
        Field::Unencrypted => filter.encrypted.push(false),
        Field::HttpStatus => filter.http_status_code.push(text.to_owned()),
        Field::HttpMethod => filter.http_method.push(text.to_owned()),
        Field::HttpPath => filter.http_path.push(text.to_owned()),
        Field::HttpUrl => filter.http_url.push(text.to_owned()),
        Field::HttpHeader => filter.http_header.push(value::header(text)?),
        Field::DnsQuery => filter.dns_query.push(text.to_owned()),
        Field::TraceId => filter.trace_id.push(text.to_owned()),
        Field::IpTraceId => filter.ip_trace_id.push(value::trace(text)?),
        Field::CelExpression => filter
            .experimental
            .get_or_insert_default()
            .cel_expression
            .push(text.to_owned()),
        Field::Ip
        | Field::Port
        | Field::Pod
        | Field::Service
        | Field::Cluster
        | Field::Namespace
        | Field::AllNamespaces
        | Field::Label
        | Field::Identity
        | Field::Workload
        | Field::Fqdn
        | Field::Process
        | Field::Unit
        | Field::Container
        | Field::User
        | Field::Rule
        | Field::MinBytes
        | Field::MaxBytes
        | Field::MinPackets
        | Field::MaxPackets
        | Field::MinDuration
        | Field::MaxDuration => {}
    }
    Ok(())
}
