//! `node_name`: `[cluster/]node`, each part a pattern, an empty part anything.

use flowd_proto::pattern::NodePattern;

use super::{Build, FilterError};
use crate::observe::CLUSTER;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let texts = &build.filter.node_name;
    if texts.is_empty() {
        return Ok(());
    }
    let read = |text: &String| {
        NodePattern::read(text).map_err(|why| FilterError::value("node_name", text, why))
    };
    let wanted = texts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let name = &build.context.directory.load().node_name;
    let name = format!("{CLUSTER}/{name}");
    let ours = wanted.iter().any(|wanted| wanted.matches(&name));
    build.test(move |_| ours);
    Ok(())
}
