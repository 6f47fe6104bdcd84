//! `source_pod`, `destination_pod`: `[namespace/]prefix-of-the-name`.

use super::{Build, FilterError, sides};
use crate::enrich::Party;

/// Where a name without a namespace is looked for.
const DEFAULT_NAMESPACE: &str = "default";

struct Wanted {
    /// `None`: any.
    namespace: Option<String>,
    prefix: String,
}

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
                wanted.iter().any(|wanted| wanted.matches(party))
            });
        }
    }
    Ok(())
}

fn parse(field: &'static str, text: &str) -> Result<Wanted, FilterError> {
    let (namespace, prefix) = match text.split_once('/') {
        None if text.is_empty() => {
            return Err(FilterError::value(
                field,
                text,
                "written like name, namespace/name, namespace/ or /name",
            ));
        }
        None => (Some(DEFAULT_NAMESPACE), text),
        Some(("", prefix)) => (None, prefix),
        Some((namespace, prefix)) => (Some(namespace), prefix),
    };
    Ok(Wanted {
        namespace: namespace.map(str::to_owned),
        prefix: prefix.to_owned(),
    })
}

/// Checks the syntax for fields that share it.
pub(super) fn check(field: &'static str, text: &str) -> Result<(), FilterError> {
    parse(field, text).map(|_| ())
}

impl Wanted {
    fn matches(&self, party: &Party) -> bool {
        !(party.namespace.is_empty() && party.name.is_empty())
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == party.namespace)
            && party.name.starts_with(&self.prefix)
    }
}
