//! `http_*`: checked; no flow of ours is an HTTP flow yet.

use flowd_proto::pattern::StatusPattern;

use super::fqdn::expression;
use super::{Build, FilterError};

/// Hubble's event type of layer 7 flows.
const L7: i32 = 129;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    let used = [
        ("http_status_code", !filter.http_status_code.is_empty()),
        ("http_method", !filter.http_method.is_empty()),
        ("http_path", !filter.http_path.is_empty()),
        ("http_url", !filter.http_url.is_empty()),
        ("http_header", !filter.http_header.is_empty()),
    ];
    let Some((field, _)) = used.into_iter().find(|(_, used)| *used) else {
        return Ok(());
    };
    let types = &filter.event_type;
    if !types.is_empty() && !types.iter().any(|kind| kind.r#type == L7) {
        return Err(FilterError::value(
            field,
            "",
            "it goes with event_type 129 (l7) or with none",
        ));
    }
    for code in &filter.http_status_code {
        StatusPattern::read(code)
            .map_err(|why| FilterError::value("http_status_code", code, why))?;
    }
    for text in &filter.http_path {
        expression("http_path", text)?;
    }
    for text in &filter.http_url {
        expression("http_url", text)?;
    }
    build.test(|_| false);
    Ok(())
}
