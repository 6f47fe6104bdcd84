//! `uuid`: exact. Our uuids carry the position in the log, so this is one comparison.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let texts = &build.filter.uuid;
    if texts.is_empty() {
        return Ok(());
    }
    let boot = build.context.boot;
    let wanted: Vec<u64> = texts.iter().filter_map(|text| boot.seq_of(text)).collect();
    build.test(move |record| wanted.contains(&record.seq));
    Ok(())
}
