//! One file for each target.

pub(crate) mod cel;
pub(crate) mod config;
pub(crate) mod decode;
pub(crate) mod endpoint;
pub(crate) mod filter;
pub(crate) mod mask;
pub(crate) mod packet;
pub(crate) mod policy;

/// Lines of a text, and one more for what is missing behind its end. In YAML a carriage return alone
/// ends a line, too.
fn lines(text: &str) -> usize {
    text.split(['\n', '\r']).count() + 1
}
