//! Filters in the API's own words: JSON in, and out again.

use flowd_proto::flow::FlowFilter;

use super::{FilterError, Filters};

/// Reads one filter; a name that is not known is an error, because it would filter nothing.
pub fn parse_raw(json: &str) -> Result<FlowFilter, FilterError> {
    serde_json::from_str(json)
        .map_err(|error| FilterError::Value(format!("{json:?} is no FlowFilter: {error}")))
}

/// Both lists as YAML of JSON strings, as `hubble` prints them.
pub fn raw_yaml(filters: &Filters) -> serde_json::Result<String> {
    let mut yaml = String::new();
    for (name, list) in [("allowlist", &filters.allow), ("denylist", &filters.deny)] {
        if list.is_empty() {
            continue;
        }
        yaml.push_str(name);
        yaml.push_str(":\n");
        for filter in list {
            let json = serde_json::to_string(filter)?.replace('\'', "''");
            yaml.push_str(&format!("    - '{json}'\n"));
        }
    }
    Ok(yaml)
}
