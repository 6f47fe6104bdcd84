//! `traffic_direction`: the direction of the connection.

use flowd_proto::flow::TrafficDirection;

use super::{Build, FilterError};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted = build.filter.traffic_direction.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    for direction in &wanted {
        if TrafficDirection::try_from(*direction).is_err() {
            return Err(FilterError::value(
                "traffic_direction",
                direction,
                "no such direction",
            ));
        }
    }
    build.test(move |record| wanted.contains(&(record.judged.judged_direction() as i32)));
    Ok(())
}
