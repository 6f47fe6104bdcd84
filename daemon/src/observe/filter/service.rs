//! `source_service`, `destination_service`: checked; no flow of ours names a service yet.

use super::{Build, FilterError, pod};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for texts in [&filter.source_service, &filter.destination_service] {
        for text in texts {
            pod::parse("service", text)?;
        }
        build.never(texts);
    }
    Ok(())
}
