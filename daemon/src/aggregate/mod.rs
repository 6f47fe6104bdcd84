//! What flows add up to: the connections that are open now, and who sends most. Pure but for what it
//! is handed.
//!
//! Events tell what a connection has moved since it began, so what was moved within a window is the
//! difference between its events; the entries of the kernel's tables are its newest ones.

mod entries;
mod group;
mod list;
mod meter;
mod tally;
#[cfg(test)]
mod tests;
mod top;
mod words;

pub use entries::Entries;
pub use list::ListPlan;
pub use top::TopPlan;

use flowd_proto::flowd::v1::{FlowSelection, GetFlowsExtension};
use thiserror::Error;

use crate::observe::filter::{Context, FilterError};
use crate::observe::{FilterSet, QueryError};

/// Why a request is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AggregateError {
    /// A time or a filter is wrong.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A number that stands for nothing.
    #[error("invalid {0}: {1} is none of its values")]
    Unknown(&'static str, i32),
    /// More than there may be.
    #[error("too many {what}: {count}, at most {bound}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        bound: usize,
    },
    /// A window that ends before it begins.
    #[error("invalid window: until is before since")]
    Backwards,
}

impl From<FilterError> for AggregateError {
    fn from(error: FilterError) -> Self {
        Self::Query(error.into())
    }
}

impl AggregateError {
    /// Whether the request is not wrong but larger than its bounds.
    pub const fn is_too_much(&self) -> bool {
        match self {
            Self::Query(error) => error.is_too_much(),
            Self::TooMany { .. } => true,
            Self::Unknown(..) | Self::Backwards => false,
        }
    }
}

/// The filters of a selection.
fn filters(
    selection: Option<&FlowSelection>,
    context: &Context,
) -> Result<FilterSet, AggregateError> {
    let nothing = FlowSelection::default();
    let selection = selection.unwrap_or(&nothing);
    let none = GetFlowsExtension::default();
    let extension = selection.extension.as_ref().unwrap_or(&none);
    let lists = (&selection.whitelist, &selection.blacklist);
    Ok(FilterSet::extended(lists.0, lists.1, extension, context)?)
}

/// How many are asked for, within a bound.
fn number(
    what: &'static str,
    asked: u32,
    default: usize,
    bound: usize,
) -> Result<usize, AggregateError> {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => Ok(default),
        count if count > bound => Err(AggregateError::TooMany { what, count, bound }),
        count => Ok(count),
    }
}
