//! The text form of Kubernetes label selectors: `k=v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`,
//! `k`, `!k`, ANDed by commas. A key may carry its source: `k8s:app=web`, `reserved:world`.

use std::collections::BTreeSet;

use crate::selector::{Key, Requirement, Selector};

/// Requirements in one selector, at most.
const MAX_REQUIREMENTS: usize = 64;

/// Reads a selector as clients write it in one line.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Selector, String> {
    let mut requirements = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an empty selector".to_owned());
    }
    loop {
        let end = end_of_requirement(rest)?;
        requirements.push(requirement(rest[..end].trim())?);
        if requirements.len() > MAX_REQUIREMENTS {
            return Err(format!("more than {MAX_REQUIREMENTS} requirements"));
        }
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return Ok(requirements.into_iter().collect()),
        }
    }
}

/// Where the comma behind the first requirement is, or the end; commas in brackets do not count.
fn end_of_requirement(text: &str) -> Result<usize, String> {
    let mut inside = false;
    for (index, character) in text.char_indices() {
        match (character, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(', true) | (')', false) => return Err("unbalanced brackets".to_owned()),
            (',', false) => return Ok(index),
            _ => {}
        }
    }
    if inside {
        return Err("unbalanced brackets".to_owned());
    }
    Ok(text.len())
}

fn requirement(text: &str) -> Result<Requirement, String> {
    if let Some(name) = text.strip_prefix('!') {
        return Ok(Requirement::DoesNotExist(key(name)?));
    }
    if let Some((name, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(
            key(name)?,
            BTreeSet::from([one(value)?]),
        ));
    }
    if let Some((name, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Ok(Requirement::In(key(name)?, BTreeSet::from([one(value)?])));
    }
    let Some((name, rest)) = text.split_once(char::is_whitespace) else {
        return Ok(Requirement::Exists(key(text)?));
    };
    let rest = rest.trim_start();
    if let Some(values) = rest.strip_prefix("notin") {
        Ok(Requirement::NotIn(key(name)?, set(values)?))
    } else if let Some(values) = rest.strip_prefix("in") {
        Ok(Requirement::In(key(name)?, set(values)?))
    } else {
        Err(format!(
            "{rest:?} is no operator; use =, !=, in (…) or notin (…)"
        ))
    }
}

fn key(text: &str) -> Result<Key, String> {
    let text = text.trim();
    let (source, name) = match text.split_once(':') {
        None | Some(("any", _)) => (None, text.strip_prefix("any:").unwrap_or(text)),
        Some((source, name)) => (Some(source), name),
    };
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/' | ':')
    };
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(format!("{name:?} is no label key"));
    }
    Ok(source.map_or_else(|| Key::any(name), |source| Key::of(source, name)))
}

fn one(value: &str) -> Result<String, String> {
    let value = value.trim();
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if value.chars().all(allowed) {
        Ok(value.to_owned())
    } else {
        Err(format!("{value:?} is no label value"))
    }
}

fn set(text: &str) -> Result<BTreeSet<String>, String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or("the values of in and notin stand in brackets")?;
    inner.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use crate::labels::{Label, Labels};

    use super::*;

    #[test]
    fn every_form_matches_what_it_says() {
        let web: Labels = ["k8s:app=web", "k8s:tier=front"]
            .into_iter()
            .map(Label::parse)
            .collect();
        for (text, matches) in [
            ("app=web", true),
            ("app==web", true),
            ("k8s:app=web", true),
            ("any:app=web", true),
            ("container:app=web", false),
            ("app!=web", false),
            ("app", true),
            ("!app", false),
            ("!zone", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("zone notin (a)", true),
            ("app=web,tier=front", true),
            ("app=web,tier=back", false),
            ("reserved:world", false),
        ] {
            assert_eq!(parse(text).unwrap().matches(&web), matches, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", " ", "=a", "a in b", "a in (b", "a)b", "a ~ b", "a,,b", "a=b c", "ä",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let endless = vec!["a"; MAX_REQUIREMENTS + 1].join(",");
        assert!(parse(&endless).is_err());
    }
}
