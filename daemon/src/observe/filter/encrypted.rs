//! `encrypted`: flowd does not encrypt, so every flow counts as not encrypted.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = &build.filter.encrypted;
    if !wanted.is_empty() && !wanted.contains(&false) {
        build.test(|_| false);
    }
    Ok(())
}
