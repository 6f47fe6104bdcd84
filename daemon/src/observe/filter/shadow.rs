//! `flowd.v1.GetFlowsExtension.shadow`: flows by what shadow policies would have done. Not one of
//! Hubble's filters: it holds for all flows of a request.

use flowd_proto::flowd::v1::ShadowFilter;

use super::{FilterError, Test};

/// The condition, if there is one.
pub(super) fn compile(shadow: i32) -> Result<Option<Test>, FilterError> {
    let wanted = ShadowFilter::try_from(shadow)
        .map_err(|_| FilterError::value("extensions.shadow", shadow, "1 is any, 2 is changed"))?;
    Ok(match wanted {
        ShadowFilter::Unspecified => None,
        ShadowFilter::AnyShadow => Some(Box::new(|record| record.shadow.is_some())),
        ShadowFilter::ChangedShadow => Some(Box::new(|record| record.shadow_changed())),
    })
}
