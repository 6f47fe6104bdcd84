//! `source_label`, `destination_label`, `node_labels`: Kubernetes label selectors.

use flowd_policy::Labels;

use super::{Build, FilterError, selector, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, texts) in sides(&filter.source_label, &filter.destination_label) {
        let wanted = texts
            .iter()
            .map(|text| selector::parse("label", text))
            .collect::<Result<Vec<_>, _>>()?;
        if !wanted.is_empty() {
            build.test(move |record| {
                let labels = &record.party(side).label_set;
                wanted.iter().any(|selector| selector.matches(labels))
            });
        }
    }
    let node = filter
        .node_labels
        .iter()
        .map(|text| selector::parse("node_labels", text))
        .collect::<Result<Vec<_>, _>>()?;
    if !node.is_empty() {
        // Flows carry no node labels: only a selector that asks for an absence can match.
        let none: Labels = [].into_iter().collect();
        let ours = node.iter().any(|selector| selector.matches(&none));
        build.test(move |_| ours);
    }
    Ok(())
}
