//! `source_fqdn`, `destination_fqdn`, `dns_query`: checked; no flow of ours carries names yet.

use flowd_proto::pattern::{self, dns_name};
use regex::Regex;

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for texts in [&filter.source_fqdn, &filter.destination_fqdn] {
        for text in texts {
            pattern("fqdn", text)?;
        }
        build.never(texts);
    }
    for text in &filter.dns_query {
        expression("dns_query", text)?;
    }
    build.never(&filter.dns_query);
    Ok(())
}

/// A name pattern: `*` stands for any run of name characters, dots included.
fn pattern(field: &'static str, text: &str) -> Result<Regex, FilterError> {
    dns_name(text).map_err(|why| FilterError::value(field, text, why))
}

/// A regular expression of bounded size; matching is linear in the text.
pub(super) fn expression(field: &'static str, text: &str) -> Result<Regex, FilterError> {
    pattern::expression(text).map_err(|why| FilterError::value(field, text, why))
}
