//! Prometheus text, read just well enough to ask for sums.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads an exposition; lines that are no samples are passed over.
    pub fn parse(text: &str) -> Self {
        Self {
            samples: text.lines().filter_map(sample).collect(),
        }
    }

    /// The sum over all series of `name` that have these labels; zero if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name)
            .filter(|sample| {
                labels
                    .iter()
                    .all(|&(key, value)| sample.label(key) == Some(value))
            })
            .fold(0.0, |sum, sample| sum + sample.value)
    }

    /// Sums of `name` by the values of `labels`; a label a series does not have reads as empty.
    pub fn sum_by(&self, name: &str, labels: &[&str]) -> BTreeMap<Vec<String>, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.matching(name) {
            let key = labels
                .iter()
                .map(|label| sample.label(label).unwrap_or("").to_owned());
            *sums.entry(key.collect()).or_insert(0.0) += sample.value;
        }
        sums
    }

    /// Whether the family has any series.
    pub fn has(&self, name: &str) -> bool {
        self.matching(name).next().is_some()
    }

    fn matching(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }
}

impl Sample {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }
}

/// `name{key="value",…} 12`
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, rest) = labels(rest)?;
            ((name, labels), rest)
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            ((name, BTreeMap::new()), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: series.0.to_owned(),
        labels: series.1,
        value,
    })
}

/// Reads labels up to the closing brace; values may hold escaped quotes and braces.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        found.insert(key.to_owned(), value);
        rest = after;
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = r#"# HELP drops Packets.
# TYPE drops counter
drops{reason="a \"b\" }",direction="in"} 3
drops{reason="c",direction="in"} 4 1700000000
drops{reason="c",direction="out"} 5
up 1
"#;

    #[test]
    fn sums_follow_labels() {
        let metrics = Metrics::parse(SCRAPE);
        assert_eq!(metrics.sum("drops", &[]), 12.0);
        assert_eq!(metrics.sum("drops", &[("reason", "c")]), 9.0);
        assert_eq!(
            metrics.sum("drops", &[("reason", "a \"b\" }"), ("direction", "in")]),
            3.0
        );
        assert_eq!(metrics.sum("up", &[]), 1.0);
        assert_eq!(metrics.sum("none", &[]).to_string(), "0");
        assert!(!metrics.has("drop"));
        let by = metrics.sum_by("drops", &["direction"]);
        assert_eq!(by[&vec!["in".to_owned()]], 7.0);
    }
}
