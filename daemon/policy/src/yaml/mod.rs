//! YAML and JSON text into nodes that know their place. The only door to the YAML library.

mod node;

use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

pub(crate) use node::{Key, Node, Place, Value};

/// A file larger than this is refused unread.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Deeper nesting than any policy has.
const MAX_DEPTH: usize = 32;
const MAX_DOCUMENTS: usize = 10_000;
const MAX_ALIASES: usize = 1_000;
const MAX_NODES: usize = 500_000;

/// What makes a text no YAML at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Where reading stopped; line 0 for the whole file.
    pub(crate) place: Place,
    /// Why.
    pub(crate) message: String,
}

/// The documents of a text; empty ones are left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Broken> {
    if text.len() > MAX_BYTES {
        return Err(Broken {
            place: Place::default(),
            message: format!("{} bytes; a file may have at most {MAX_BYTES}", text.len()),
        });
    }
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| Broken {
        place: error.location().map(Place::from).unwrap_or_default(),
        message: message(&error),
    })
}

/// A value as block-style YAML.
pub(crate) fn write(value: &serde_json::Value) -> Option<String> {
    serde_saphyr::to_string(value).ok()
}

/// Pinned here so that no reader of policies can be laxer than another.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_total_scalar_bytes: MAX_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: MAX_DEPTH,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The library's message in one line, without the place it repeats and in the words of a reader
/// who knows no library.
fn message(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let key = key
            .as_deref()
            .map(crate::syntax::shorten)
            .unwrap_or_default();
        return format!("the key {key} is there twice");
    }
    if let serde_saphyr::Error::MergeKeyNotAllowed { .. } = error {
        return "the merge key << is not allowed; write the fields out".to_owned();
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    crate::syntax::shorten_to(line, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> String {
        documents(text).unwrap_err().message
    }

    #[test]
    fn knows_where_everything_stands() {
        let documents = documents("# first\na: 1\n---\n- b:\n    c: x\n").unwrap();
        assert_eq!(documents.len(), 2);
        let Value::List(items) = &documents[1].value else {
            panic!("a list")
        };
        let Value::Object(entries) = &items[0].value else {
            panic!("an object")
        };
        let (key, inner) = &entries[0];
        assert_eq!((key.place.line, key.place.column), (4, 3));
        assert_eq!((inner.place.line, inner.place.column), (5, 5));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        let document = &documents("[true, yes, on, 'true']").unwrap()[0];
        let Value::List(items) = &document.value else {
            panic!("a list")
        };
        let values: Vec<&Value> = items.iter().map(|item| &item.value).collect();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(
            values,
            [
                &Value::Boolean(true),
                &text("yes"),
                &text("on"),
                &text("true")
            ]
        );
    }

    #[test]
    fn an_alias_stands_where_it_is_used() {
        let document = &documents("a: &x [1]\nb: *x\n").unwrap()[0];
        let Value::Object(entries) = &document.value else {
            panic!("an object")
        };
        assert_eq!(entries[1].1.place.line, 2);
    }

    #[test]
    fn everything_is_bounded() {
        assert!(broken(&"x".repeat(MAX_BYTES + 1)).contains("at most"));
        assert!(broken(&"[".repeat(100)).contains("limit"));
        assert!(broken(&format!("[{}]", "0,".repeat(MAX_NODES + 1))).len() < 300);
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..9 {
            let below = format!("*a{},", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(broken(&bomb).len() < 300);
    }

    #[test]
    fn a_key_given_twice_is_named() {
        assert_eq!(broken("a: 1\na: 2\n"), "the key a is there twice");
    }
}
