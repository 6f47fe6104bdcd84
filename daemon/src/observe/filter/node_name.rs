//! `node_name`: `[cluster/]node`, each part a pattern, an empty part anything.

use regex::Regex;

use super::fqdn::pattern;
use super::{Build, FilterError};
use crate::observe::CLUSTER;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let texts = &build.filter.node_name;
    if texts.is_empty() {
        return Ok(());
    }
    let mut wanted: Vec<(Option<Regex>, Option<Regex>)> = Vec::with_capacity(texts.len());
    for text in texts {
        let (cluster, node) = text.split_once('/').unwrap_or(("", text));
        let part = |part: &str| match part {
            "" => Ok(None),
            part => pattern("node_name", part).map(Some),
        };
        wanted.push((part(cluster)?, part(node)?));
    }
    let matches = |pattern: &Option<Regex>, text: &str| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text))
    };
    let name = build
        .context
        .directory
        .load()
        .node_name
        .to_ascii_lowercase();
    let ours = wanted
        .iter()
        .any(|(cluster, node)| matches(cluster, CLUSTER) && matches(node, &name));
    build.test(move |_| ours);
    Ok(())
}
