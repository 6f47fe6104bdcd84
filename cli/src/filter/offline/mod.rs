//! Filters run here, on flows that were read from a file and no server has filtered.
//!
//! The meaning of each field is the server's: fields of a filter are ANDed, values of a field ORed,
//! filters of a list ORed (reference: hubble, 2.4).

mod beyond;
mod ends;
mod layer7;
mod pattern;
mod sideless;

use flowd_proto::flow::{Flow, FlowFilter};
use flowd_proto::flowd::v1::FlowExtensionFilter;

use super::{FilterError, Filters};

/// One condition on a flow.
type Test = Box<dyn Fn(&Flow) -> bool>;

/// Both lists, ready to be asked.
pub struct OfflineFilters {
    allow: Vec<Vec<Test>>,
    deny: Vec<Vec<Test>>,
}

impl OfflineFilters {
    /// Compiles both lists.
    ///
    /// # Errors
    ///
    /// On a value that means nothing in its field, and on CEL, which only a server evaluates.
    pub fn compile(filters: &Filters) -> Result<Self, FilterError> {
        Ok(Self {
            allow: list(&filters.allow, &filters.beyond.whitelist)?,
            deny: list(&filters.deny, &filters.beyond.blacklist)?,
        })
    }

    /// Whether a flow passes.
    pub fn pass(&self, flow: &Flow) -> bool {
        let any = |list: &[Vec<Test>]| list.iter().any(|tests| tests.iter().all(|test| test(flow)));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }
}

/// Every filter with what is asked beyond it; there are never more of the latter.
fn list(
    filters: &[FlowFilter],
    beyond: &[FlowExtensionFilter],
) -> Result<Vec<Vec<Test>>, FilterError> {
    let nothing = FlowExtensionFilter::default();
    let beyond = beyond.iter().chain(std::iter::repeat(&nothing));
    let pairs = filters.iter().zip(beyond);
    pairs
        .map(|(filter, beyond)| {
            let mut tests = compile(filter)?;
            beyond::compile(beyond, &mut tests)?;
            Ok(tests)
        })
        .collect()
}

fn compile(filter: &FlowFilter) -> Result<Vec<Test>, FilterError> {
    if let Some(experimental) = &filter.experimental
        && !experimental.cel_expression.is_empty()
    {
        return Err(FilterError::Value(
            "--cel-expression is evaluated by a server, and a file has none".to_owned(),
        ));
    }
    let mut tests = Vec::new();
    sideless::compile(filter, &mut tests)?;
    ends::compile(filter, &mut tests)?;
    layer7::compile(filter, &mut tests)?;
    Ok(tests)
}

/// Adds a test for a field that was asked for: one of its values must match.
fn any_of<T: 'static>(
    tests: &mut Vec<Test>,
    values: Vec<T>,
    matches: impl Fn(&Flow, &T) -> bool + 'static,
) {
    if !values.is_empty() {
        tests.push(Box::new(move |flow| {
            values.iter().any(|value| matches(flow, value))
        }));
    }
}

/// Reads every value of a field.
fn read_all<T>(
    texts: &[String],
    read: impl Fn(&str) -> Result<T, FilterError>,
) -> Result<Vec<T>, FilterError> {
    texts.iter().map(|text| read(text)).collect()
}

#[cfg(test)]
mod tests;
