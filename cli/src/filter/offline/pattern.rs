//! Values that are patterns, as the errors of flags tell them.

use std::fmt;

use flowd_policy::{Labels, Selector, labels::Label, selector_text};
use flowd_proto::pattern::{self, PatternError};
use regex::Regex;

use super::FilterError;

pub(super) use flowd_proto::pattern::{AddressPattern, NamePattern, NodePattern, StatusPattern};

fn wrong(text: &str, why: impl fmt::Display) -> FilterError {
    FilterError::Value(format!("{text:?}: {why}"))
}

/// Reads a value by its text form, and names it where it is wrong.
pub(super) fn read<P>(
    form: fn(&str) -> Result<P, PatternError>,
) -> impl Fn(&str) -> Result<P, FilterError> {
    move |text| form(text).map_err(|why| wrong(text, why))
}

/// A DNS name with `*` in it.
pub(super) fn name(text: &str) -> Result<Regex, FilterError> {
    read(pattern::dns_name)(text)
}

/// A regular expression of bounded size.
pub(super) fn expression(text: &str) -> Result<Regex, FilterError> {
    read(pattern::expression)(text)
}

/// A label selector.
pub(super) fn selector(text: &str) -> Result<Selector, FilterError> {
    selector_text::parse(text).map_err(|why| wrong(text, why))
}

/// The labels of an endpoint or a node.
pub(super) fn labels(texts: &[String]) -> Labels {
    texts.iter().map(|text| Label::parse(text)).collect()
}

/// Whether an address, as text, is one of these.
pub(super) fn contains(addresses: &AddressPattern, text: &str) -> bool {
    text.parse()
        .is_ok_and(|address| addresses.contains(address))
}
