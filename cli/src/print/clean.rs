//! Names in flows come from workloads and may try to take over the terminal.

use std::borrow::Cow;

/// Shows control characters instead of sending them: ESC as `^[`, the others as Rust writes them.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\u{1b}' => shown.push_str("^["),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(clean("web-1"), "web-1");
        assert_eq!(clean("a\u{1b}[2Jb\rc\nd\u{9b}"), "a^[[2Jb\\rc\\nd\\u{9b}");
    }
}
