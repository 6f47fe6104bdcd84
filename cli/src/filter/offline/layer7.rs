//! Conditions on requests and responses.

use flowd_proto::flow::{Dns, Flow, FlowFilter, Http, layer7};

use super::pattern::{StatusPattern, expression, read};
use super::{FilterError, Test, any_of, read_all};
use crate::print::words::L7;

pub(super) fn compile(filter: &FlowFilter, tests: &mut Vec<Test>) -> Result<(), FilterError> {
    let asks_http = !filter.http_status_code.is_empty()
        || !filter.http_method.is_empty()
        || !filter.http_path.is_empty()
        || !filter.http_url.is_empty()
        || !filter.http_header.is_empty();
    let types = &filter.event_type;
    if asks_http && !types.is_empty() && !types.iter().any(|kind| kind.r#type == L7) {
        return Err(FilterError::Value(
            "HTTP filters go with --type l7 or with no --type".to_owned(),
        ));
    }
    any_of(
        tests,
        read_all(&filter.http_status_code, read(StatusPattern::read))?,
        |flow, status| http(flow).is_some_and(|http| status.matches(http.code)),
    );
    any_of(tests, filter.http_method.clone(), |flow, method| {
        http(flow).is_some_and(|http| http.method.eq_ignore_ascii_case(method))
    });
    any_of(
        tests,
        read_all(&filter.http_path, expression)?,
        |flow, path| http(flow).is_some_and(|http| path.is_match(self::path(&http.url))),
    );
    any_of(
        tests,
        read_all(&filter.http_url, expression)?,
        |flow, url| http(flow).is_some_and(|http| url.is_match(&http.url)),
    );
    any_of(tests, filter.http_header.clone(), |flow, header| {
        http(flow).is_some_and(|http| http.headers.contains(header))
    });
    any_of(
        tests,
        read_all(&filter.dns_query, expression)?,
        |flow, query| dns(flow).is_some_and(|dns| query.is_match(&dns.query)),
    );
    any_of(tests, filter.trace_id.clone(), |flow, id| {
        let parent = flow.trace_context.as_ref().and_then(|t| t.parent.as_ref());
        parent.is_some_and(|parent| parent.trace_id == *id)
    });
    Ok(())
}

fn record(flow: &Flow) -> Option<&layer7::Record> {
    flow.l7.as_ref()?.record.as_ref()
}

fn http(flow: &Flow) -> Option<&Http> {
    match record(flow)? {
        layer7::Record::Http(http) => Some(http),
        layer7::Record::Dns(_) | layer7::Record::Kafka(_) => None,
    }
}

fn dns(flow: &Flow) -> Option<&Dns> {
    match record(flow)? {
        layer7::Record::Dns(dns) => Some(dns),
        layer7::Record::Http(_) | layer7::Record::Kafka(_) => None,
    }
}

/// The path of a URL, without scheme, host, query and fragment.
fn path(url: &str) -> &str {
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |start| &rest[start..]),
        None => url,
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    &rest[..end]
}
