//! `event_type`: the type of the event, and its sub-type where that is asked for.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.event_type.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    build.test(move |record| {
        let kind = record.judged.class().event_type();
        wanted.iter().any(|filter| {
            (filter.r#type == 0 || filter.r#type == kind)
                && (!filter.match_sub_type || filter.sub_type == record.judged.sub_type())
        })
    });
    Ok(())
}
