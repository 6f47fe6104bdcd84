//! Typed filter flags become the API's filter lists, with the meaning they have in `hubble`.
//!
//! A flag that looks at either side asks for two filters: one with the value on the source, one
//! with it on the destination. All terms of a list go into the same pair, so that different flags
//! AND and repeated flags OR.

mod beyond;
mod names;
mod offline;
mod pair;
mod raw;
mod value;

use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::{FlowExtensionFilter, GetFlowsExtension};

use crate::args::{Field, Side, Term};

pub use offline::OfflineFilters;
pub use raw::{parse_raw, raw_yaml};

use names::Names;
use pair::Pair;

/// What the server is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// A flow must match one of these, unless there are none.
    pub allow: Vec<FlowFilter>,
    /// A flow must match none of these.
    pub deny: Vec<FlowFilter>,
    /// What the first filters of both lists ask beyond Hubble's fields.
    pub beyond: GetFlowsExtension,
}

/// Why filter flags make no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A value that is not one.
    #[error("{0}")]
    Value(String),
    /// Flags that exclude each other.
    #[error("{0} cannot be used together")]
    Conflict(&'static str),
}

/// Builds both lists.
pub fn build(terms: &[Term]) -> Result<Filters, FilterError> {
    let (denied, allowed): (Vec<&Term>, Vec<&Term>) = terms.iter().partition(|t| t.negated);
    let allow_names = Names::collect(&allowed)?;
    let deny_names = Names::collect(&denied)?.inheriting(&allow_names);
    let (allow, allow_beyond) = list(&allowed, allow_names)?;
    let (deny, deny_beyond) = list(&denied, deny_names)?;
    Ok(Filters {
        allow,
        deny,
        beyond: GetFlowsExtension {
            whitelist: allow_beyond,
            blacklist: deny_beyond,
            ..GetFlowsExtension::default()
        },
    })
}

/// The filters of one list, and what is asked beyond each of them.
type List = (Vec<FlowFilter>, Vec<FlowExtensionFilter>);

fn list(terms: &[&Term], names: Names) -> Result<List, FilterError> {
    for term in terms {
        let one_sided = |other: &&&Term| other.field == term.field && other.side != Side::Either;
        if term.side == Side::Either && terms.iter().find(one_sided).is_some() {
            return Err(FilterError::Conflict(both_ways(term.field)));
        }
    }
    let mut pair = Pair::default();
    for term in terms {
        pair.add(term)?;
    }
    names.add_to(&mut pair)?;
    let mut filters = pair.into_filters();
    let Some(beyond) = beyond::build(terms)? else {
        return Ok((filters, Vec::new()));
    };
    if filters.is_empty() {
        // Raw filters come after it, and are none of its affair.
        filters.push(FlowFilter::default());
    }
    let beyond = vec![beyond; filters.len()];
    Ok((filters, beyond))
}

fn both_ways(field: Field) -> &'static str {
    match field {
        Field::Ip => "--ip and --from-ip or --to-ip",
        Field::Port => "--port and --from-port or --to-port",
        Field::Pod => "--pod and --from-pod or --to-pod",
        Field::Namespace => "--namespace and --from-namespace or --to-namespace",
        Field::Label => "--label and --from-label or --to-label",
        Field::Identity => "--identity and --from-identity or --to-identity",
        Field::Workload => "--workload and --from-workload or --to-workload",
        Field::Fqdn => "--fqdn and --from-fqdn or --to-fqdn",
        Field::Service => "--service and --from-service or --to-service",
        Field::Cluster => "--cluster and --from-cluster or --to-cluster",
        Field::AllNamespaces => "--all-namespaces and --from- or --to-all-namespaces",
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
        | Field::CelExpression
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
        | Field::MaxDuration => "these flags",
    }
}

#[cfg(test)]
mod tests;
