//! `source_fqdn`, `destination_fqdn`, `dns_query`: checked; no flow of ours carries names yet.

use regex::{Regex, RegexBuilder};

use super::{Build, FilterError};

/// Memory of one compiled expression, at most.
const REGEX_BYTES: usize = 256 * 1024;

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
pub(super) fn pattern(field: &'static str, text: &str) -> Result<Regex, FilterError> {
    let name = text.trim().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    if name.is_empty() {
        return Err(FilterError::value(field, text, "an empty name"));
    }
    let mut expression = String::from("^(?:");
    for character in name.chars() {
        match character {
            '*' => expression.push_str("[-.0-9a-z]*"),
            '.' => expression.push_str("\\."),
            '-' | '_' | '0'..='9' | 'a'..='z' => expression.push(character),
            _ => {
                return Err(FilterError::value(
                    field,
                    text,
                    format!("{character:?} is no character of a name or pattern"),
                ));
            }
        }
    }
    expression.push_str(")$");
    self::expression(field, &expression)
}

/// A regular expression of bounded size; matching is linear in the text.
pub(super) fn expression(field: &'static str, text: &str) -> Result<Regex, FilterError> {
    RegexBuilder::new(text)
        .size_limit(REGEX_BYTES)
        .build()
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().to_owned();
            FilterError::value(field, text, reason)
        })
}
