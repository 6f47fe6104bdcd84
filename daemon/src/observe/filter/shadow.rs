//! `flowd.v1.GetFlowsExtension.shadow`: flows by what shadow policies would have done. Not one of
//! Hubble's filters: it holds for all flows of a request.

use flowd_proto::flowd::v1::{GetFlowsExtension, ShadowFilter};

use super::{FilterError, Test};

/// The condition of a request's extension, if it has one.
pub(super) fn compile(asked: &GetFlowsExtension) -> Result<Option<Test>, FilterError> {
    let wanted = ShadowFilter::try_from(asked.shadow).map_err(|_| {
        FilterError::value("extensions.shadow", asked.shadow, "1 is any, 2 is changed")
    })?;
    Ok(match wanted {
        ShadowFilter::Unspecified => None,
        ShadowFilter::AnyShadow => Some(Box::new(|record| record.shadow.is_some())),
        ShadowFilter::ChangedShadow => Some(Box::new(|record| record.shadow_changed())),
    })
}
