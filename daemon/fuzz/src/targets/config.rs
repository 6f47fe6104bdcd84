//! The configuration file: it names no file that is read before it is accepted.

use flowd::config::Config;

/// Text of a configuration.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = Config::of_text(text) {
        assert!(!error.to_string().is_empty(), "an error says what it is");
    }
}
