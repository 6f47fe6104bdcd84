//! Hubble's flow filters, compiled once and run on the compact record.
//!
//! Fields of a filter are ANDed, values of a field ORed, filters of a list ORed. A field flowd has
//! no data for is still checked and then never matches.

mod cel;
mod cluster;
mod direction;
mod drop_reason;
mod encrypted;
mod event_type;
pub mod extension;
mod fqdn;
mod http;
mod identity;
mod interface;
mod ip;
mod ip_version;
mod kernel_reason;
mod label;
mod node_name;
mod pod;
mod port;
mod protocol;
mod reply;
mod selector;
mod service;
mod shadow;
mod tcp_flags;
mod trace;
mod uuid;
mod verdict;
mod workload;

#[cfg(test)]
mod tests;

use std::fmt;

use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::{FlowExtensionFilter, GetFlowsExtension};
use thiserror::Error;

use super::uuid::Boot;
use crate::access::Scope;
use crate::enrich::DirectoryHandle;
use crate::flow::Record;
use crate::flow::record::Side;

/// Filters in one list, at most: more than any client's flags can make.
pub const MAX_FILTERS: usize = 128;
/// Values in one request, at most: every record may be compared with each of them.
pub const MAX_VALUES: usize = 4_096;
/// Patterns in one request, at most: each takes memory, and time to compile.
pub const MAX_PATTERNS: usize = 128;
/// Bytes in one value, at most.
pub const MAX_VALUE_LEN: usize = 4_096;

/// Why a filter is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FilterError {
    /// A value that means nothing in its field.
    #[error("invalid {field} {value:?}: {reason}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// The value, shortened.
        value: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// More than the bound of something.
    #[error("too many {what}: {count}, at most {bound}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        bound: usize,
    },
}

impl FilterError {
    fn value(field: &'static str, value: impl fmt::Display, reason: impl fmt::Display) -> Self {
        let mut value = value.to_string();
        if let Some((cut, _)) = value.char_indices().nth(64) {
            value.truncate(cut);
            value.push('…');
        }
        Self::Value {
            field,
            value,
            reason: reason.to_string(),
        }
    }
}

/// What filters may ask beyond the record.
#[derive(Clone, Debug)]
pub struct Context {
    /// Names of devices and of this node.
    pub directory: DirectoryHandle,
    /// What the uuids of this run are made of.
    pub boot: Boot,
    /// What the client sees at all.
    pub scope: Scope,
}

/// One condition on a record.
type Test = Box<dyn Fn(&Record) -> bool + Send + Sync>;

/// The fields of one filter, while they are compiled.
struct Build<'a> {
    filter: &'a FlowFilter,
    context: &'a Context,
    tests: Vec<Test>,
}

impl Build<'_> {
    fn test(&mut self, test: impl Fn(&Record) -> bool + Send + Sync + 'static) {
        self.tests.push(Box::new(test));
    }

    /// The values of a field we have no data for: none of them matches.
    fn never<V>(&mut self, values: &[V]) {
        if !values.is_empty() {
            self.test(|_| false);
        }
    }
}

/// Compiles one field.
type Field = fn(&mut Build<'_>) -> Result<(), FilterError>;

/// Every field's compiler, cheapest tests first.
const FIELDS: [Field; 23] = [
    verdict::compile,
    event_type::compile,
    direction::compile,
    reply::compile,
    drop_reason::compile,
    protocol::compile,
    ip_version::compile,
    port::compile,
    identity::compile,
    tcp_flags::compile,
    encrypted::compile,
    uuid::compile,
    node_name::compile,
    ip::compile,
    interface::compile,
    pod::compile,
    workload::compile,
    cluster::compile,
    label::compile,
    service::compile,
    fqdn::compile,
    compile_rest,
    // Last: only what all others let pass is made a message for it.
    cel::compile,
];

fn compile_rest(build: &mut Build<'_>) -> Result<(), FilterError> {
    http::compile(build)?;
    trace::compile(build)
}

/// One filter: all tests must hold.
struct Filter(Vec<Test>);

impl Filter {
    fn compile(
        filter: &FlowFilter,
        ours: &FlowExtensionFilter,
        context: &Context,
    ) -> Result<Self, FilterError> {
        let mut build = Build {
            filter,
            context,
            tests: Vec::new(),
        };
        extension::compile(&mut build, ours)?;
        for compile in FIELDS {
            compile(&mut build)?;
        }
        Ok(Self(build.tests))
    }

    #[inline]
    fn matches(&self, record: &Record) -> bool {
        self.0.iter().all(|test| test(record))
    }
}

/// The filters of a request.
pub struct FilterSet {
    scope: Scope,
    /// What must hold of every flow.
    every: Vec<Test>,
    /// CEL expressions in both lists.
    expressions: usize,
    whitelist: Vec<Filter>,
    blacklist: Vec<Filter>,
}

impl fmt::Debug for FilterSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FilterSet")
            .field("whitelist", &self.whitelist.len())
            .field("blacklist", &self.blacklist.len())
            .finish()
    }
}

impl FilterSet {
    /// Compiles both lists.
    ///
    /// # Errors
    ///
    /// On a value that is invalid in its field, and past the bounds.
    pub fn compile(
        whitelist: &[FlowFilter],
        blacklist: &[FlowFilter],
        context: &Context,
    ) -> Result<Self, FilterError> {
        Self::extended(whitelist, blacklist, &GetFlowsExtension::default(), context)
    }

    /// The same with what a request asks beyond Hubble's filters.
    ///
    /// # Errors
    ///
    /// On a value that is invalid in its field, and past the bounds.
    pub fn extended(
        whitelist: &[FlowFilter],
        blacklist: &[FlowFilter],
        extension: &GetFlowsExtension,
        context: &Context,
    ) -> Result<Self, FilterError> {
        let (mut values, mut expressions, mut patterns) = (0, 0, 0);
        let lists = [
            (whitelist, extension.whitelist.as_slice()),
            (blacklist, extension.blacklist.as_slice()),
        ];
        for (list, ours) in lists {
            bound("filters", list.len().max(ours.len()), MAX_FILTERS)?;
            for filter in list {
                values += measure(filter)?;
                patterns += count_patterns(filter);
                let experimental = filter.experimental.as_ref();
                expressions += experimental.map_or(0, |one| one.cel_expression.len());
            }
            for filter in ours {
                let (count, texts) = extension::measure(filter);
                values += count;
                texts.into_iter().try_for_each(|list| short(list))?;
            }
        }
        bound("CEL expressions", expressions, cel::MAX_EXPRESSIONS)?;
        bound("patterns", patterns, MAX_PATTERNS)?;
        bound("filter values", values, MAX_VALUES)?;
        let [whitelist, blacklist] = lists.map(|(list, ours)| compile_list(list, ours, context));
        Ok(Self {
            scope: context.scope.clone(),
            every: extension::of_all(extension)?,
            expressions,
            whitelist: whitelist?,
            blacklist: blacklist?,
        })
    }

    /// How many flows are put to it before other work gets its turn, of as many as a set without
    /// expressions gets: an expression may take a fraction of a millisecond.
    pub(super) const fn share(&self, flows: usize) -> usize {
        match self.expressions {
            0 => flows,
            expressions => flows / (32 * expressions) + 1,
        }
    }

    /// Whether a record passes.
    #[inline]
    pub fn pass(&self, record: &Record) -> bool {
        self.scope.sees_flow(record)
            && self.every.iter().all(|test| test(record))
            && (self.whitelist.is_empty()
                || self.whitelist.iter().any(|filter| filter.matches(record)))
            && !self.blacklist.iter().any(|filter| filter.matches(record))
    }
}

/// Filters with what is asked beyond each; a list that is shorter goes on with empty ones.
fn compile_list(
    list: &[FlowFilter],
    ours: &[FlowExtensionFilter],
    context: &Context,
) -> Result<Vec<Filter>, FilterError> {
    let (hubble, beyond) = (FlowFilter::default(), FlowExtensionFilter::default());
    (0..list.len().max(ours.len()))
        .map(|place| {
            let filter = list.get(place).unwrap_or(&hubble);
            Filter::compile(filter, ours.get(place).unwrap_or(&beyond), context)
        })
        .collect()
}

fn bound(what: &'static str, count: usize, bound: usize) -> Result<(), FilterError> {
    if count > bound {
        return Err(FilterError::TooMany { what, count, bound });
    }
    Ok(())
}

/// Regular expressions and names with wildcards of a filter, besides those in CEL.
fn count_patterns(filter: &FlowFilter) -> usize {
    let lists = [
        &filter.source_fqdn,
        &filter.destination_fqdn,
        &filter.dns_query,
        &filter.http_path,
        &filter.http_url,
        &filter.node_name,
    ];
    lists.into_iter().map(Vec::len).sum()
}

/// Number of values of a filter; the texts among them must not be endless.
fn measure(filter: &FlowFilter) -> Result<usize, FilterError> {
    let none = Vec::new();
    let experimental = filter.experimental.as_ref();
    let texts = [
        experimental.map_or(&none, |one| &one.cel_expression),
        &filter.source_ip,
        &filter.source_pod,
        &filter.destination_ip,
        &filter.destination_pod,
        &filter.source_fqdn,
        &filter.destination_fqdn,
        &filter.http_status_code,
        &filter.source_label,
        &filter.destination_label,
        &filter.protocol,
        &filter.source_port,
        &filter.destination_port,
        &filter.source_service,
        &filter.destination_service,
        &filter.dns_query,
        &filter.http_method,
        &filter.http_path,
        &filter.node_name,
        &filter.trace_id,
        &filter.uuid,
        &filter.http_url,
        &filter.source_ip_xlated,
        &filter.node_labels,
        &filter.source_cluster_name,
        &filter.destination_cluster_name,
    ];
    let mut values = 0;
    for list in texts {
        values += list.len();
        short(list)?;
    }
    let numbers = [
        filter.verdict.len(),
        filter.event_type.len(),
        filter.reply.len(),
        filter.source_identity.len(),
        filter.destination_identity.len(),
        filter.tcp_flags.len(),
        filter.ip_version.len(),
        filter.source_workload.len(),
        filter.destination_workload.len(),
        filter.traffic_direction.len(),
        filter.http_header.len(),
        filter.drop_reason_desc.len(),
        filter.interface.len(),
        filter.ip_trace_id.len(),
        filter.encrypted.len(),
    ];
    Ok(values + numbers.iter().sum::<usize>())
}

/// Texts must not be endless.
fn short(list: &[String]) -> Result<(), FilterError> {
    match list.iter().find(|text| text.len() > MAX_VALUE_LEN) {
        None => Ok(()),
        Some(long) => Err(FilterError::value(
            "filter value",
            long,
            format!("{} bytes long, at most {MAX_VALUE_LEN}", long.len()),
        )),
    }
}

/// The two fields of a pair with the sides they are about.
const fn sides<'a, V>(source: &'a [V], destination: &'a [V]) -> [(Side, &'a [V]); 2] {
    [(Side::Source, source), (Side::Destination, destination)]
}
