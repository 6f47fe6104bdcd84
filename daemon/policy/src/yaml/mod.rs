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

/// The library's message in one line, without the place it repeats.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    crate::syntax::shorten_to(line, 200)
}
