//! `source_identity`, `destination_identity`: by number.

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, numbers) in sides(&filter.source_identity, &filter.destination_identity) {
        if !numbers.is_empty() {
            let wanted = numbers.to_vec();
            build.test(move |record| wanted.contains(&record.party(side).identity));
        }
    }
    Ok(())
}
