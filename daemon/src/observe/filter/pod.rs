//! `source_pod`, `destination_pod`: `[namespace/]prefix-of-the-name`.

use flowd_proto::pattern::NamePattern;

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, texts) in sides(&filter.source_pod, &filter.destination_pod) {
        let wanted = texts
            .iter()
            .map(|text| parse("pod", text))
            .collect::<Result<Vec<_>, _>>()?;
        if !wanted.is_empty() {
            build.test(move |record| {
                let party = record.party(side);
                let mut wanted = wanted.iter();
                wanted.any(|wanted| wanted.matches(&party.namespace, &party.name))
            });
        }
    }
    Ok(())
}

/// Reads a value of a field that has this form.
pub(super) fn parse(field: &'static str, text: &str) -> Result<NamePattern, FilterError> {
    NamePattern::read(text).map_err(|why| FilterError::value(field, text, why))
}
