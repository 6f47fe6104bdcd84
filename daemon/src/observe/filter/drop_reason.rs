//! `drop_reason_desc`: the reason, of dropped flows only.

use flowd_abi::Verdict;

use super::{Build, FilterError};
use crate::observe::reason;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.drop_reason_desc.clone();
    if !wanted.is_empty() {
        build.test(move |record| match record.judged.verdict {
            Verdict::Drop(dropped) => wanted.contains(&reason::of(dropped).hubble),
            Verdict::Forward(_) | Verdict::Audit(_) => false,
        });
    }
    Ok(())
}
