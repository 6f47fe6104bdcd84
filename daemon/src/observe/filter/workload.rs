//! `source_workload`, `destination_workload`: name and kind exact, an empty one is any.

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, workloads) in sides(&filter.source_workload, &filter.destination_workload) {
        if !workloads.is_empty() {
            let wanted = workloads.to_vec();
            build.test(move |record| {
                record.party(side).workloads.iter().any(|owner| {
                    wanted.iter().any(|wanted| {
                        (wanted.name.is_empty() || wanted.name == owner.name)
                            && (wanted.kind.is_empty() || wanted.kind == owner.kind)
                    })
                })
            });
        }
    }
    Ok(())
}
