//! Values that are patterns: names, addresses, expressions.

use std::net::IpAddr;

use flowd_policy::{Labels, Selector, labels::Label, selector_text};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::FilterError;

/// Memory of one compiled expression, at most.
const REGEX_BYTES: usize = 256 << 10;

fn wrong<T>(text: &str, why: impl std::fmt::Display) -> Result<T, FilterError> {
    Err(FilterError::Value(format!("{text:?}: {why}")))
}

/// An address, or a prefix that contains it.
pub(super) enum Addresses {
    One(IpAddr),
    Prefix(IpNet),
}

impl Addresses {
    pub(super) fn read(text: &str) -> Result<Self, FilterError> {
        let read = match text.contains('/') {
            true => text
                .parse()
                .ok()
                .map(|net: IpNet| Self::Prefix(net.trunc())),
            false => text.parse().ok().map(Self::One),
        };
        read.map_or_else(|| wrong(text, "no address and no prefix"), Ok)
    }

    pub(super) fn contain(&self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else {
            return false;
        };
        match self {
            Self::One(one) => *one == address,
            Self::Prefix(prefix) => prefix.contains(&address),
        }
    }
}

/// `[namespace/]beginning-of-the-name`; without a namespace, `default` is meant.
pub(super) struct Named {
    namespace: Option<String>,
    prefix: String,
}

impl Named {
    pub(super) fn read(text: &str) -> Result<Self, FilterError> {
        let (namespace, prefix) = match text.split_once('/') {
            None if text.is_empty() => {
                return wrong(text, "write name, namespace/name, namespace/ or /name");
            }
            None => (Some("default"), text),
            Some(("", prefix)) => (None, prefix),
            Some((namespace, prefix)) => (Some(namespace), prefix),
        };
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            prefix: prefix.to_owned(),
        })
    }

    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        let somebody = !(namespace.is_empty() && name.is_empty());
        let there = self.namespace.as_deref().is_none_or(|own| own == namespace);
        somebody && there && name.starts_with(&self.prefix)
    }
}

/// A DNS name in which `*` stands for any run of name characters, dots included.
pub(super) fn name(text: &str) -> Result<Regex, FilterError> {
    let lower = text.trim().to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if name.is_empty() {
        return wrong(text, "an empty name");
    }
    let known = |c: char| matches!(c, '-' | '_' | '.' | '*' | '0'..='9' | 'a'..='z');
    if let Some(odd) = name.chars().find(|c| !known(*c)) {
        return wrong(
            text,
            format!("{odd:?} is no character of a name or pattern"),
        );
    }
    let escaped = name.replace('.', "\\.").replace('*', "[-.0-9a-z]*");
    expression(&format!("^(?:{escaped})$"))
}

/// `[cluster/]node`, each part a name pattern, an empty part anything.
pub(super) struct Node {
    cluster: Option<Regex>,
    node: Option<Regex>,
}

impl Node {
    pub(super) fn read(text: &str) -> Result<Self, FilterError> {
        let (cluster, node) = text.split_once('/').unwrap_or(("", text));
        let part = |part: &str| match part {
            "" => Ok(None),
            part => name(part).map(Some),
        };
        Ok(Self {
            cluster: part(cluster)?,
            node: part(node)?,
        })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let (cluster, node) = name.split_once('/').unwrap_or(("default", &name));
        let fits = |pattern: &Option<Regex>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(text))
        };
        fits(&self.cluster, cluster) && fits(&self.node, node)
    }
}

/// A regular expression of bounded size; matching is linear in the text.
pub(super) fn expression(text: &str) -> Result<Regex, FilterError> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
    built.or_else(|error| {
        let error = error.to_string();
        wrong(text, error.lines().last().unwrap_or_default())
    })
}

/// A label selector.
pub(super) fn selector(text: &str) -> Result<Selector, FilterError> {
    selector_text::parse(text).or_else(|why| wrong(text, why))
}

/// The labels of an endpoint or a node.
pub(super) fn labels(texts: &[String]) -> Labels {
    texts.iter().map(|text| Label::parse(text)).collect()
}

/// `404`, or the beginning of a status: `4+`, `40+`.
pub(super) struct Status {
    digits: String,
    whole: bool,
}

impl Status {
    pub(super) fn read(text: &str) -> Result<Self, FilterError> {
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
            return wrong(text, "no HTTP status: write 404, 40+ or 4+");
        }
        Ok(Self {
            digits: digits.to_owned(),
            whole,
        })
    }

    pub(super) fn matches(&self, code: u32) -> bool {
        let code = code.to_string();
        match self.whole {
            true => code == self.digits,
            false => code.len() == 3 && code.starts_with(&self.digits),
        }
    }
}
