//! Endpoint files as flowd reads them.

use std::fmt::Write;

use crate::Pod;

/// The endpoint file of `pod`, attached by its host-side interface and enforcing.
pub fn endpoint_yaml(pod: &Pod) -> String {
    let mut labels = String::new();
    for (key, value) in &pod.labels {
        let _ = write!(labels, "\n    {}: {}", quoted(key), quoted(value));
    }
    if labels.is_empty() {
        labels.push_str(" {}");
    }
    let Pod {
        name,
        kubernetes_namespace,
        ipv4,
        ipv6,
        interface,
        ..
    } = pod;
    format!(
        "apiVersion: flowd.io/v1
kind: Endpoint
metadata:
  name: {name}
  namespace: {kubernetes_namespace}
  labels:{labels}
spec:
  addresses: [{ipv4}, \"{ipv6}\"]
  attach: {{interface: {interface}}}
  mode: enforce
"
    )
}

/// Quoted where YAML would read something other than the text, such as `true` or `1`.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_text_to_yaml_are_quoted() {
        assert_eq!(quoted("frontend"), "frontend");
        assert_eq!(quoted("true"), "\"true\"");
        assert_eq!(quoted("1"), "\"1\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("k8s.io/name"), "k8s.io/name");
    }
}
