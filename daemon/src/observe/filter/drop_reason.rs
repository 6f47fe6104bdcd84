//! `drop_reason_desc`: the reason, of dropped flows only.

use flowd_abi::Verdict;
use flowd_proto::reason;

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.drop_reason_desc.clone();
    if !wanted.is_empty() {
        build.test(move |record| match record.judged.verdict {
            Verdict::Drop(dropped) => wanted.contains(&reason::of(dropped).number()),
            Verdict::Forward(_) | Verdict::Audit(_) => false,
        });
    }
    Ok(())
}
