//! Reading JSON of a newer peer: drop the fields that are not known here, and say which.

use serde_json::Value;

use crate::descriptor::{MessageShape, message};

/// Nested messages that are followed; a deeper value is left as it is, and refused when it is read.
const MAX_DEPTH: usize = 32;

/// Removes the fields of `value` that the message `name` does not have. Returns their paths.
pub fn prune_unknown(name: &str, value: &mut Value) -> Vec<String> {
    let mut removed = Vec::new();
    if let Some(shape) = message(name) {
        prune(shape, value, "", MAX_DEPTH, &mut removed);
    }
    removed
}

fn prune(
    shape: &MessageShape,
    value: &mut Value,
    path: &str,
    depth: usize,
    removed: &mut Vec<String>,
) {
    if depth == 0 {
        return;
    }
    if let Value::Array(items) = value {
        for item in items {
            prune(shape, item, path, depth - 1, removed);
        }
        return;
    }
    let Value::Object(fields) = value else { return };
    fields.retain(|key, inner| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let known = shape
            .fields
            .iter()
            .find(|f| f.name == *key || f.json_name == *key);
        let Some(field) = known else {
            removed.push(path);
            return false;
        };
        // Well-known types have a JSON of their own.
        let nested = field
            .message
            .as_deref()
            .filter(|name| !name.starts_with("google.protobuf."));
        if let Some(nested) = nested.and_then(message) {
            prune(nested, inner, &path, depth - 1, removed);
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::GetFlowsResponse;
    use serde_json::json;

    #[test]
    fn unknown_fields_go_and_are_named() {
        let mut value = json!({
            "flow": {
                "IP": {"source": "10.0.0.1", "ttl": 3},
                "time": "2024-01-01T00:00:00Z",
                "source": {"workloads": [{"name": "w", "rank": 1}]},
                "is_reply": true,
                "mood": "good",
            },
            "nodeName": "n",
        });
        assert!(serde_json::from_value::<GetFlowsResponse>(value.clone()).is_err());
        let mut removed = prune_unknown("observer.GetFlowsResponse", &mut value);
        removed.sort();
        assert_eq!(
            removed,
            ["flow.IP.ttl", "flow.mood", "flow.source.workloads.rank"]
        );
        let read: GetFlowsResponse = serde_json::from_value(value).expect("only known fields");
        assert_eq!(read.node_name, "n");
    }
}
