//! `source_cluster_name`, `destination_cluster_name`: exact.

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, names) in sides(
        &filter.source_cluster_name,
        &filter.destination_cluster_name,
    ) {
        if names.iter().any(String::is_empty) {
            return Err(FilterError::value(
                "cluster_name",
                "",
                "the name of a cluster; there is one here, `default`",
            ));
        }
        if !names.is_empty() {
            let wanted = names.to_vec();
            build.test(move |record| {
                let cluster = record.party(side).cluster();
                wanted.iter().any(|name| name == cluster)
            });
        }
    }
    Ok(())
}
