//! Patterns in which `*` stands for any run of characters: names of processes, units, rules.

use regex::Regex;

use crate::pattern::{PatternError, expression, wrong};

/// A pattern in which `*` stands for any run of characters.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    /// `None` where the text is what it says.
    pattern: Option<Regex>,
}

impl Glob {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When the text is empty, or takes too much memory.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return wrong("an empty pattern");
        }
        let pattern = match text.contains('*') {
            true => {
                let parts: Vec<String> = text.split('*').map(regex::escape).collect();
                Some(expression(&format!("(?s)^{}$", parts.join(".*")))?)
            }
            false => None,
        };
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is about this text.
    #[inline]
    pub fn matches(&self, text: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.is_match(text),
            None => self.text == text,
        }
    }
}

/// What decided: `[[kind/]namespace/]name[:path]`, each part a [`Glob`]. Of a policy of all
/// namespaces, what stands before its name is its kind.
#[derive(Clone, Debug)]
pub struct RulePattern {
    kind: Option<Glob>,
    namespace: Option<Glob>,
    name: Glob,
    path: Option<Glob>,
}

impl RulePattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When a part is empty, or there are too many.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let (policy, path) = match text.split_once(':') {
            Some((policy, path)) => (policy, Some(Glob::read(path)?)),
            None => (text, None),
        };
        let parts: Vec<&str> = policy.split('/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [name] => (None, None, name),
            [namespace, name] => (None, Some(*namespace), name),
            [kind, namespace, name] => (Some(*kind), Some(*namespace), name),
            [] | [_, _, _, _, ..] => {
                return wrong(
                    "written like name, namespace/name or kind/namespace/name, and :path behind it \
                     for one rule",
                );
            }
        };
        Ok(Self {
            kind: kind.map(Glob::read).transpose()?,
            namespace: namespace.map(Glob::read).transpose()?,
            name: Glob::read(name)?,
            path,
        })
    }

    /// Whether it is about a policy; `namespace` is empty for one of all namespaces.
    pub fn is_policy(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let fits = |glob: &Option<Glob>, text| glob.as_ref().is_none_or(|glob| glob.matches(text));
        let before_name = match namespace {
            "" if self.kind.is_none() => kind,
            namespace => namespace,
        };
        self.name.matches(name) && fits(&self.namespace, before_name) && fits(&self.kind, kind)
    }

    /// Whether it is about this place in its policies, such as `spec.ingress[0]`; it may cost to
    /// name it.
    pub fn is_path<P: AsRef<str>>(&self, path: impl FnOnce() -> P) -> bool {
        let wanted = self.path.as_ref();
        wanted.is_none_or(|wanted| wanted.matches(path().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_nothing_else_is_special() {
        for (pattern, text, expected) in [
            ("curl", "curl", true),
            ("curl", "curl2", false),
            ("c*l", "curl", true),
            ("c*l", "cl", true),
            ("*", "", true),
            ("a.c", "abc", false),
            ("spec.ingress[*]", "spec.ingress[12]", true),
            ("a*", "a\nb", true),
        ] {
            let glob = Glob::read(pattern).unwrap();
            assert_eq!(glob.matches(text), expected, "{pattern} {text:?}");
        }
        assert!(Glob::read("").is_err());
    }

    #[test]
    fn a_rule_is_named_by_as_much_as_is_known() {
        let matches = |text: &str, namespace: &str, path: &'static str| {
            let pattern = RulePattern::read(text).unwrap();
            pattern.is_policy("NetworkPolicy", namespace, "db") && pattern.is_path(|| path)
        };
        for text in ["db", "shop/db", "NetworkPolicy/shop/d*", "shop/db:spec.*"] {
            assert!(matches(text, "shop", "spec.ingress[0]"), "{text}");
        }
        for text in ["web", "bank/db", "Cilium*/shop/db", "db:default_deny"] {
            assert!(!matches(text, "shop", "spec.ingress[0]"), "{text}");
        }
        assert!(matches("NetworkPolicy/db", "", ""));
        assert!(!matches("shop/db", "", ""));
        for text in ["", "a/b/c/d", "/db", "db:"] {
            assert!(RulePattern::read(text).is_err(), "{text}");
        }
    }
}
