//! `interface`: by index, by name, or both.

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.interface.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    let directory = build.context.directory.clone();
    build.test(move |record| {
        let index = record.judged.event.ifindex;
        wanted.iter().any(|filter| {
            (filter.index == 0 || filter.index == index)
                && (filter.name.is_empty()
                    || directory.load().interfaces.get(&index) == Some(&filter.name))
        })
    });
    Ok(())
}
