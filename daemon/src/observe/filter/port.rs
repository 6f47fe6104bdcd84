//! `source_port`, `destination_port`: of protocols that have ports.

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, texts) in sides(&filter.source_port, &filter.destination_port) {
        let mut wanted = Vec::with_capacity(texts.len());
        for text in texts {
            wanted.push(
                text.parse::<u16>()
                    .map_err(|_| FilterError::value("port", text, "a number from 0 to 65535"))?,
            );
        }
        if !wanted.is_empty() {
            build.test(move |record| {
                record.judged.transport().has_ports() && wanted.contains(&record.judged.port(side))
            });
        }
    }
    Ok(())
}
