//! How a question can have no answer.

use thiserror::Error;

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WhyError {
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The flow or the workload is not known.
    #[error("{0}")]
    Unknown(String),
}
