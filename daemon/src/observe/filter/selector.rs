//! Label selectors of a filter; the text form is `flowd_policy::selector_text`'s.

use flowd_policy::{Selector, selector_text};

use super::FilterError;

pub(super) fn parse(field: &'static str, text: &str) -> Result<Selector, FilterError> {
    selector_text::parse(text).map_err(|reason| FilterError::value(field, text, reason))
}
