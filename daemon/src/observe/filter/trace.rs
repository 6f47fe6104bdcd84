//! `trace_id`, `ip_trace_id`: no flow of ours carries either; its number counts as 0.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    build.never(&filter.trace_id);
    if !filter.ip_trace_id.is_empty() && !filter.ip_trace_id.contains(&0) {
        build.test(|_| false);
    }
    Ok(())
}
