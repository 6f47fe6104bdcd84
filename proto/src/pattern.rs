//! The text forms that filter values have, whoever runs the filter: addresses, names, nodes,
//! HTTP statuses, expressions.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// Memory of one compiled expression, at most.
const REGEX_BYTES: usize = 256 << 10;

/// Where a name without a namespace is looked for, and a node without a cluster.
const DEFAULT: &str = "default";

/// Why a text is no value of its field: what is wrong, or what would be right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct PatternError(String);

pub(crate) fn wrong<T>(why: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError(why.into()))
}

/// An address, or a prefix that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPattern {
    /// This address alone.
    One(IpAddr),
    /// All addresses of a prefix.
    Prefix(IpNet),
}

impl AddressPattern {
    /// Reads `10.0.0.1`, `10.0.0.0/8` and the same of IPv6; bits behind the prefix do not count.
    ///
    /// # Errors
    ///
    /// When the text is neither.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        if text.contains('/') {
            let prefix = text.parse::<IpNet>().map_err(|_| {
                PatternError("a prefix is written like 10.0.0.0/8 or fd00::/8".to_owned())
            })?;
            return Ok(Self::Prefix(prefix.trunc()));
        }
        text.parse()
            .map(Self::One)
            .map_err(|_| PatternError("an address is written like 10.0.0.1 or fd00::1".to_owned()))
    }

    /// Whether it is about an address.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::One(one) => *one == address,
            Self::Prefix(prefix) => prefix.contains(&address),
        }
    }
}

/// `[namespace/]beginning-of-the-name`; without a namespace, `default` is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// `None`: any.
    namespace: Option<String>,
    prefix: String,
}

impl NamePattern {
    /// Reads `name`, `namespace/name`, `namespace/` or `/name`.
    ///
    /// # Errors
    ///
    /// When the text is empty.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let (namespace, prefix) = match text.split_once('/') {
            None if text.is_empty() => {
                return wrong("written like name, namespace/name, namespace/ or /name");
            }
            None => (Some(DEFAULT), text),
            Some(("", prefix)) => (None, prefix),
            Some((namespace, prefix)) => (Some(namespace), prefix),
        };
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            prefix: prefix.to_owned(),
        })
    }

    /// Whether it is about somebody of this name; nobody has no name at all.
    #[inline]
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        let somebody = !(namespace.is_empty() && name.is_empty());
        let there = self.namespace.as_deref().is_none_or(|own| own == namespace);
        somebody && there && name.starts_with(&self.prefix)
    }
}

/// `[cluster/]node`, each part a pattern of [`dns_name`], an empty part anything.
#[derive(Clone, Debug)]
pub struct NodePattern {
    cluster: Option<Regex>,
    node: Option<Regex>,
}

impl NodePattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When a part is no pattern of names.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let (cluster, node) = text.split_once('/').unwrap_or(("", text));
        let part = |part: &str| match part {
            "" => Ok(None),
            part => dns_name(part).map(Some),
        };
        Ok(Self {
            cluster: part(cluster)?,
            node: part(node)?,
        })
    }

    /// Whether it is about the node of this name, written as in [`NodePattern`].
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let (cluster, node) = name.split_once('/').unwrap_or((DEFAULT, &name));
        let fits = |pattern: &Option<Regex>, text: &str| {
            let pattern = pattern.as_ref();
            pattern.is_none_or(|pattern| pattern.is_match(text))
        };
        fits(&self.cluster, cluster) && fits(&self.node, node)
    }
}

/// `404`, or the beginning of an HTTP status: `4+`, `40+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPattern {
    digits: String,
    whole: bool,
}

impl StatusPattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When no HTTP status can be meant.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let (digits, whole) = match text.strip_suffix('+') {
            Some(digits) => (digits, false),
            None => (text, true),
        };
        let length = if whole { 3..=3 } else { 1..=2 };
        let numeric = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !length.contains(&digits.len())
            || !numeric
            || !digits.starts_with(['1', '2', '3', '4', '5'])
        {
            return wrong("an HTTP status is written like 404, 40+ or 4+");
        }
        Ok(Self {
            digits: digits.to_owned(),
            whole,
        })
    }

    /// Whether it is about this status.
    pub fn matches(&self, code: u32) -> bool {
        let code = code.to_string();
        match self.whole {
            true => code == self.digits,
            false => code.len() == 3 && code.starts_with(&self.digits),
        }
    }
}

/// A DNS name in which `*` stands for any run of name characters, dots included.
///
/// # Errors
///
/// When the text is empty or has characters that no name has.
pub fn dns_name(text: &str) -> Result<Regex, PatternError> {
    let lower = text.trim().to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if name.is_empty() {
        return wrong("an empty name");
    }
    let known = |c: char| matches!(c, '-' | '_' | '.' | '*' | '0'..='9' | 'a'..='z');
    if let Some(odd) = name.chars().find(|c| !known(*c)) {
        return wrong(format!("{odd:?} is no character of a name or pattern"));
    }
    let escaped = name.replace('.', "\\.").replace('*', "[-.0-9a-z]*");
    expression(&format!("^(?:{escaped})$"))
}

/// A regular expression of bounded size; matching is linear in the text.
///
/// # Errors
///
/// When the text is none, or one that takes too much memory.
pub fn expression(text: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
    built.map_err(|error| {
        let error = error.to_string();
        PatternError(error.lines().last().unwrap_or_default().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_prefix_whatever_stands_behind_it() {
        let prefix = AddressPattern::read("10.1.2.3/8").unwrap();
        assert!(prefix.contains("10.200.0.1".parse().unwrap()));
        assert!(!prefix.contains("11.0.0.1".parse().unwrap()));
        let one = AddressPattern::read("fd00::1").unwrap();
        assert!(one.contains("fd00:0::1".parse().unwrap()));
        assert!(!one.contains("fd00::2".parse().unwrap()));
        for text in ["", "10.0.0", "10.0.0.0/33", "fd00::/129", "web"] {
            assert!(AddressPattern::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_looked_for_in_its_namespace() {
        for (text, namespace, name, expected) in [
            ("web", "default", "web-1", true),
            ("web", "shop", "web-1", false),
            ("shop/web", "shop", "web-1", true),
            ("shop/", "shop", "anything", true),
            ("/web", "anywhere", "web", true),
            ("/", "", "", false),
        ] {
            let pattern = NamePattern::read(text).unwrap();
            assert_eq!(pattern.matches(namespace, name), expected, "{text}");
        }
        assert!(NamePattern::read("").is_err());
    }

    #[test]
    fn nodes_and_names_are_patterns() {
        for (text, node, expected) in [
            ("node-*", "Node-7", true),
            ("node-*", "east/node-7", true),
            ("east/", "east/node-7", true),
            ("east/", "node-7", false),
            ("default/node-7", "node-7", true),
        ] {
            let pattern = NodePattern::read(text).unwrap();
            assert_eq!(pattern.matches(node), expected, "{text} {node}");
        }
        assert!(dns_name("*.example.").unwrap().is_match("a.b.example"));
        for text in ["", "a b", "a$"] {
            assert!(dns_name(text).is_err(), "{text:?}");
        }
        assert!(expression("(((a{999}){999}){999})").is_err());
    }

    #[test]
    fn a_status_is_whole_or_a_beginning() {
        let read = |text| StatusPattern::read(text);
        assert!(read("404").unwrap().matches(404));
        assert!(read("4+").unwrap().matches(404));
        assert!(!read("40+").unwrap().matches(410));
        for text in ["", "+", "40", "404+", "604", "4x+"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
