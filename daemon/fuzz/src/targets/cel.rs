//! An expression: parsed, checked, put to flows.

use flowd::observe::FilterSet;
use flowd_proto::flow::FlowFilter;
use flowd_proto::flow::flow_filter::Experimental;

use crate::world::{CONTEXT, RECORDS};

fn compile(expression: &str) -> Option<FilterSet> {
    let filter = FlowFilter {
        experimental: Some(Experimental {
            cel_expression: vec![expression.to_owned()],
        }),
        ..FlowFilter::default()
    };
    FilterSet::compile(&[filter], &[], &CONTEXT).ok()
}

/// Text of an expression.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(filters) = compile(text) else { return };
    let negated = compile(&format!("!({text}\n)"));
    for record in RECORDS.iter() {
        let holds = filters.pass(record);
        // One deeper may be too deep; what fails holds in neither form.
        let fails = negated.as_ref().is_some_and(|set| set.pass(record));
        assert!(!(holds && fails), "true and not true at once");
    }
}
