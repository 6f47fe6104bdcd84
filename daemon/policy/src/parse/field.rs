//! A cursor into a document: a node, the path to it, and where to report what is wrong with it.

use super::report::Report;
use crate::{
    syntax::shorten,
    yaml::{Key, Node, Place, Value},
};

/// A field of a document.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    report: &'a Report,
    node: &'a Node,
    /// Where the key stands; for list items where the item stands.
    key: Place,
    path: String,
}

/// The fields of an object that are known to be allowed there.
pub(crate) struct Object<'a> {
    field: Field<'a>,
    entries: Vec<(&'a str, Field<'a>)>,
}

/// A field that is part of the language but refused, and why.
pub(crate) type Refused = (&'static str, &'static str);

impl<'a> Field<'a> {
    pub(crate) fn root(report: &'a Report, node: &'a Node) -> Self {
        Self {
            report,
            node,
            key: node.place,
            path: String::new(),
        }
    }

    pub(crate) const fn report(&self) -> &'a Report {
        self.report
    }

    pub(crate) const fn value(&self) -> &'a Value {
        &self.node.value
    }

    /// The line the value starts at.
    pub(crate) const fn line(&self) -> u32 {
        self.node.place.line
    }

    /// Reports what is wrong with the value, and what would be right.
    pub(crate) fn error(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .error(self.node.place, &self.path, message.into(), help.into());
    }

    /// Reports what is wrong with the field being there at all.
    pub(crate) fn refuse(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .error(self.key, &self.path, message.into(), help.into());
    }

    /// Reports what the author should know.
    pub(crate) fn warning(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .warning(self.node.place, &self.path, message.into(), help.into());
    }

    /// Reports that the field is valid but not enforced as written.
    pub(crate) fn unenforced(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .unenforced(self.key, &self.path, message.into(), help.into());
    }

    /// The object's fields; anything that is neither `known` nor `refused` is an error.
    pub(crate) fn object(&self, known: &[&str], refused: &[Refused]) -> Option<Object<'a>> {
        let mut entries = Vec::new();
        for (name, field) in self.entries()? {
            if known.contains(&name) {
                entries.push((name, field));
            } else if let Some((_, reason)) = refused.iter().find(|(refused, _)| *refused == name) {
                // A field that holds nothing asks for nothing.
                if !field.is_blank() {
                    field.refuse("is not supported", *reason);
                }
            } else {
                field.refuse("unknown field", suggestion(name, known));
            }
        }
        Some(Object {
            field: self.clone(),
            entries,
        })
    }

    /// The object's fields that are known; others are left to whoever reads the object as a whole.
    pub(crate) fn known(&self, known: &[&str]) -> Option<Object<'a>> {
        let mut entries = self.entries()?;
        entries.retain(|(name, _)| known.contains(name));
        Some(Object {
            field: self.clone(),
            entries,
        })
    }

    /// All entries of an object whose keys are free.
    pub(crate) fn entries(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        let Value::Object(entries) = &self.node.value else {
            return self.wrong("an object");
        };
        let field = |(key, node): &'a (Key, Node)| {
            let name = shorten(&key.name);
            let path = if self.path.is_empty() {
                name
            } else {
                format!("{}.{name}", self.path)
            };
            let field = Self {
                report: self.report,
                node,
                key: key.place,
                path,
            };
            (key.name.as_str(), field)
        };
        Some(entries.iter().map(field).collect())
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            return self.wrong("a list");
        };
        let field = |(index, node): (usize, &'a Node)| Self {
            report: self.report,
            node,
            key: node.place,
            path: format!("{}[{index}]", self.path),
        };
        Some(items.iter().enumerate().map(field).collect())
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        let expected = match &self.node.value {
            Value::Text(text) => return Some(text),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => "a text; put it in quotes",
            Value::Null | Value::List(_) | Value::Object(_) => "a text",
        };
        self.wrong(expected)
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Boolean(value) => Some(*value),
            Value::Text(_)
            | Value::Null
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Object(_) => self.wrong("true or false"),
        }
    }

    /// Whether the value is null or an empty list.
    pub(crate) fn is_blank(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Object(_) => false,
        }
    }

    fn wrong<T>(&self, expected: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::Text(text) => format!("the text {:?}", shorten(text)),
            Value::Boolean(value) => format!("the boolean {value}"),
            Value::Integer(value) => format!("the number {value}"),
            value @ (Value::Null | Value::Float(_) | Value::List(_) | Value::Object(_)) => {
                value.describe().to_owned()
            }
        };
        self.error(format!("is {found}"), format!("expected {expected}"));
        None
    }
}

impl<'a> Object<'a> {
    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.entries
            .iter()
            .find(|(entry, _)| *entry == name)
            .map(|(_, field)| field)
            .filter(|field| !matches!(field.value(), Value::Null))
    }

    /// A field that must be there.
    pub(crate) fn require(&self, name: &str, help: &str) -> Option<&Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            self.field.error(format!("{name} is missing"), help);
        }
        field
    }

    /// The items of a list field, `None` when it is absent.
    pub(crate) fn items(&self, name: &str) -> Option<Vec<Field<'a>>> {
        self.get(name)?.items()
    }

    /// The object itself.
    pub(crate) const fn field(&self) -> &Field<'a> {
        &self.field
    }
}

/// What the author may have meant by an unknown field.
fn suggestion(name: &str, known: &[&str]) -> String {
    let lower = name.to_ascii_lowercase();
    let near = known
        .iter()
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    match near {
        Some((_, candidate)) => format!("did you mean {candidate}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Levenshtein distance; anything longer than a field name is far away.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 40;
    if a.len() > LONGEST || b.len() > LONGEST {
        return LONGEST;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = replaced.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let known = ["toPorts", "toCIDR", "toEndpoints"];
        assert_eq!(suggestion("toPort", &known), "did you mean toPorts?");
        assert_eq!(suggestion("tocidr", &known), "did you mean toCIDR?");
        assert!(suggestion("banana", &known).starts_with("known here: toPorts"));
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
