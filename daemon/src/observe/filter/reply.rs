//! `reply`: whether the packet is an answer. flowd knows it of every flow.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.reply.clone();
    if !wanted.is_empty() {
        build.test(move |record| wanted.contains(&record.judged.is_reply()));
    }
    Ok(())
}
