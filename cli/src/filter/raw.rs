//! Filters in the API's own words: JSON in, and out again.

use flowd_proto::flow::FlowFilter;
use flowd_proto::flowd::v1::FlowExtensionFilter;
use serde::Serialize;

use super::{FilterError, Filters};

/// Reads one filter; a name that is not known is an error, because it would filter nothing.
pub fn parse_raw(json: &str) -> Result<FlowFilter, FilterError> {
    serde_json::from_str(json)
        .map_err(|error| FilterError::Value(format!("{json:?} is no FlowFilter: {error}")))
}

/// Both lists as YAML of JSON strings, as `hubble` prints them; under names of their own, what the
/// first filters of each ask beyond Hubble's fields.
pub fn raw_yaml(filters: &Filters) -> serde_json::Result<String> {
    let mut yaml = String::new();
    add(&mut yaml, "allowlist", &filters.allow)?;
    add(&mut yaml, "denylist", &filters.deny)?;
    let beyond: [(&str, &[FlowExtensionFilter]); 2] = [
        ("allowlist_beyond_hubble", &filters.beyond.whitelist),
        ("denylist_beyond_hubble", &filters.beyond.blacklist),
    ];
    for (name, list) in beyond {
        add(&mut yaml, name, list)?;
    }
    Ok(yaml)
}

fn add(yaml: &mut String, name: &str, list: &[impl Serialize]) -> serde_json::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    yaml.push_str(name);
    yaml.push_str(":\n");
    for filter in list {
        let json = serde_json::to_string(filter)?.replace('\'', "''");
        yaml.push_str(&format!("    - '{json}'\n"));
    }
    Ok(())
}
