//! Names as Kubernetes writes them: label keys and values, namespaces, object names.

const LABEL_VALUE_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;
const SHOWN_MAX: usize = 48;

/// A text short enough to be part of a message.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(text, SHOWN_MAX)
}

/// A text of at most `max` characters, or its start and its size.
pub(crate) fn shorten_to(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
    }
}

/// Checks a label value.
pub(crate) fn label_value(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        return Ok(());
    }
    qualified_name(value)
}

/// Checks a label key: an optional DNS prefix and `/`, then a name.
pub(crate) fn label_key(key: &str) -> Result<(), &'static str> {
    match key.split_once('/') {
        Some((prefix, name)) => {
            dns_subdomain(prefix)?;
            qualified_name(name)
        }
        None => qualified_name(key),
    }
}

/// Checks the name of an object: a DNS subdomain.
pub(crate) fn dns_subdomain(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > SUBDOMAIN_MAX {
        return Err("it is longer than 253 characters");
    }
    for part in name.split('.') {
        dns_characters(part)?;
    }
    Ok(())
}

/// Checks a namespace: a DNS label.
pub(crate) fn dns_label(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > LABEL_VALUE_MAX {
        return Err("it is longer than 63 characters");
    }
    dns_characters(name)
}

fn dns_characters(part: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().is_some_and(|&b| plain(b)) && bytes.last().is_some_and(|&b| plain(b));
    if ends && bytes.iter().all(|&b| plain(b) || b == b'-') {
        Ok(())
    } else {
        Err("it may hold a-z, 0-9 and '-', and must start and end with a letter or a digit")
    }
}

fn qualified_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.len() > LABEL_VALUE_MAX {
        return Err("it is longer than 63 characters");
    }
    let bytes = name.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner) {
        Ok(())
    } else {
        Err(
            "it may hold letters, digits, '-', '_' and '.', and must start and end with a letter or a digit",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_follow_kubernetes() {
        for key in ["app", "app.kubernetes.io/name", "A_b-c.d", "0"] {
            assert_eq!(label_key(key), Ok(()), "{key}");
        }
        for key in ["", "/name", "App.io/name", "a/b/c", "-a", "a-", "a b", "ä"] {
            assert!(label_key(key).is_err(), "{key}");
        }
        assert_eq!(label_value(""), Ok(()));
        assert_eq!(label_value(&"v".repeat(63)), Ok(()));
        assert!(label_value(&"v".repeat(64)).is_err());
        assert!(label_value("a/b").is_err());
    }

    #[test]
    fn namespaces_are_dns_labels() {
        assert_eq!(dns_label("kube-system"), Ok(()));
        for name in ["", "Shop", "a.b", "-a", "a_b"] {
            assert!(dns_label(name).is_err(), "{name}");
        }
        assert_eq!(dns_subdomain("a.b-c"), Ok(()));
        assert!(dns_subdomain("a..b").is_err());
    }

    #[test]
    fn a_shown_text_is_short_and_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert!(shorten(&"ä".repeat(1000)).len() < 130);
    }
}
