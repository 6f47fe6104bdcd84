//! `verdict`: one of the verdicts.

use flowd_proto::flow::Verdict;

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.verdict.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    for verdict in &wanted {
        if Verdict::try_from(*verdict).is_err() {
            return Err(FilterError::value("verdict", verdict, "no such verdict"));
        }
    }
    build.test(move |record| wanted.contains(&i32::from(record.judged.event.verdict)));
    Ok(())
}
