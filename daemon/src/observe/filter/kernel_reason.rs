//! `flowd.v1.GetFlowsExtension.kernel_reason`: drops of the kernel, by its own words for them. Not
//! one of Hubble's filters: it holds for all flows of a request.

use super::{FilterError, Test, bound};
use crate::kernel::reasons;

/// Every drop of the kernel, whatever its reason.
const ANY: &str = "any";
/// Reasons in one request, at most: more than a kernel has.
const MOST: usize = 256;

pub(super) fn compile(wanted: &[String]) -> Result<Option<Test>, FilterError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    if wanted.iter().any(|name| name.eq_ignore_ascii_case(ANY)) {
        return Ok(Some(Box::new(|record| record.judged.is_kernel_drop())));
    }
    bound("kernel reasons", wanted.len(), MOST)?;
    let number = |name: &String| {
        reasons::find(name).ok_or_else(|| {
            let known = "this kernel has no such reason; `any` is every one, and `flowctl explain` \
                         knows the common ones";
            FilterError::value("extensions.kernel_reason", name, known)
        })
    };
    let numbers = wanted.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Box::new(move |record| {
        let reason = record.judged.event.kernel_reason;
        numbers.iter().any(|number| number.0 == reason)
    })))
}
